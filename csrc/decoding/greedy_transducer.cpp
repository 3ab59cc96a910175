#include "decoding/greedy_transducer.h"

#include <algorithm>

#include "decoding/argmax.h"
#include "decoding/confidence.h"

namespace parrotlet {

GreedyTransducer::GreedyTransducer(Context& context, const Transducer& head,
                                   const SearchOptions& options)
    : head_(&head),
      process_(options.process),
      fusion_(options.scorer, head.blank()),
      max_symbols_(symbols_limit(options)),
      state_(head.start(context)) {}

void GreedyTransducer::take(Context& context, const float* encoded, int frames) {
    const SearchFrames piece{this, encoded, frames};
    take_together(context, {&piece, 1});
}

namespace {

/// A search on its way through frames, whose projections are given from its frame `begin` on.
struct Walk {
    GreedyTransducer* search;
    const float* projected;
    int64_t begin, end;
};

}  // namespace

void GreedyTransducer::take_together(Context& context,
                                     std::span<const SearchFrames> searches) const {
    const size_t hidden = head_->joint_hidden(), outputs = head_->outputs();
    int total = 0;
    for (const SearchFrames& piece : searches) total += piece.frames;
    const float* encoded = joined_frames(context, searches);
    auto* projected = context.arena.allocate<float>(total * hidden);
    auto* logits = context.arena.allocate<float>(searches.size() * outputs);
    head_->project_encoder(context, encoded, total, projected);
    if (context.counts()) return count_step(context, projected, logits);

    std::vector<Walk> walks;
    for (const auto& [search, ignored, frames] : searches) {
        auto* greedy = static_cast<GreedyTransducer*>(search);
        walks.push_back({greedy, projected, greedy->seen_, greedy->seen_ + frames});
        greedy->seen_ += frames;
        projected += frames * hidden;
    }
    std::vector<const float*> frames, predictions;
    std::vector<PredictorState*> states;
    std::vector<int> tokens;
    const auto finished = [](const Walk& walk) { return walk.search->time_ >= walk.end; };
    while (std::erase_if(walks, finished), !walks.empty()) {
        frames.clear(), predictions.clear(), states.clear(), tokens.clear();
        for (const auto& [search, first, begin, end] : walks) {
            frames.push_back(first + (search->time_ - begin) * hidden);
            predictions.push_back(search->state_.projected());
        }
        head_->joint(context, frames, predictions, logits);
        for (size_t i = 0; i < walks.size(); i++) {
            const int token = walks[i].search->step({logits + i * outputs, outputs});
            if (token == head_->blank()) continue;
            states.push_back(&walks[i].search->state_);
            tokens.push_back(token);
        }
        if (!tokens.empty()) head_->advance(context, tokens, states);
    }
}

/// Takes a label at the frame reached, whose logits are given. Returns the token that was emitted,
/// or the blank.
int GreedyTransducer::step(std::span<float> logits) {
    if (process_) process_(time_, emitted_, logits);
    const auto labels = logits.first(head_->labels());
    const auto& durations = head_->durations();
    const auto& big_blanks = head_->big_blanks();
    int skip = 0, best = argmax(labels);
    if (!durations.empty()) skip = durations[argmax(logits.subspan(labels.size()))];
    if (!big_blanks.empty()) {
        const auto others = logits.subspan(labels.size());
        const int other = argmax(others);
        if (others[other] > labels[best]) {
            best = head_->blank();
            skip = big_blanks[other];
        }
    }
    int token = head_->blank();
    if (best != head_->blank()) {
        token = emit(logits, best, skip);
        here_ = skip == 0 ? here_ + 1 : 0;
        time_ += skip;
        if (here_ < max_symbols_) return token;
        time_++;
    } else {
        // A blank always advances, whatever duration came with it.
        time_ += std::max(skip, 1);
    }
    here_ = 0;
    return token;
}

/// What every step takes, whichever label comes.
void GreedyTransducer::count_step(Context& context, const float* projected, float* logits) const {
    const int token = head_->blank();
    PredictorState state = state_;
    head_->joint(context, {&projected, 1}, state, logits);
    head_->advance(context, {&token, 1}, state);
}

/// A token, where `best` is the joint's. Returns it.
int GreedyTransducer::emit(std::span<const float> logits, int best, int skip) {
    const auto labels = logits.first(head_->labels());
    // Big blanks are labels, too; durations have a distribution of their own.
    const auto classes = head_->big_blanks().empty() ? labels : logits;
    const double confidence =
        max_prob(log_softmax_max(classes, labels[best]), static_cast<int>(classes.size()));
    const int duration = head_->durations().empty() ? Emission::kNoDuration : skip;
    // Logits and log-probabilities differ by the same number for all tokens.
    const int token = fusion_ ? fusion_.best(labels) : best;
    if (fusion_) fusion_.advance(token);
    settled_.push_back({token, time_, duration, confidence});
    emitted_++;
    return token;
}

}  // namespace parrotlet
