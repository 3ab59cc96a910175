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
    const size_t hidden = head_->joint_hidden(), outputs = head_->outputs();
    auto* projected = context.arena.allocate<float>(frames * hidden);
    auto* logits = context.arena.allocate<float>(outputs);
    head_->project_encoder(context, encoded, frames, projected);
    if (context.counts()) return count_step(context, projected, logits);
    while (time_ < seen_ + frames)
        step(context, projected + (time_ - seen_) * hidden, {logits, outputs});
    seen_ += frames;
}

/// One label at the frame reached, whose projection is given.
void GreedyTransducer::step(Context& context, const float* projected, std::span<float> logits) {
    head_->joint(context, {&projected, 1}, state_, logits.data());
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
    if (best != head_->blank()) {
        emit(context, logits, best, skip);
        here_ = skip == 0 ? here_ + 1 : 0;
        time_ += skip;
        if (here_ < max_symbols_) return;
        time_++;
    } else {
        // A blank always advances, whatever duration came with it.
        time_ += std::max(skip, 1);
    }
    here_ = 0;
}

/// What every step takes, whichever label comes.
void GreedyTransducer::count_step(Context& context, const float* projected, float* logits) {
    const int token = head_->blank();
    head_->joint(context, {&projected, 1}, state_, logits);
    head_->advance(context, {&token, 1}, state_);
}

/// A token, where `best` is the joint's.
void GreedyTransducer::emit(Context& context, std::span<const float> logits, int best, int skip) {
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
    head_->advance(context, {&token, 1}, state_);
    emitted_++;
}

}  // namespace parrotlet
