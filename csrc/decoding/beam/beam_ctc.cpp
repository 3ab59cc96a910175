#include "decoding/beam/beam_ctc.h"

#include <algorithm>

#include "decoding/confidence.h"

namespace parrotlet {

BeamCtc::BeamCtc(const CtcHead& head, const SearchOptions& options)
    : BeamSearch(options, head.labels() - 1, false), head_(&head) {
    claim_slots();
}

void BeamCtc::advance(Context& context, const float* encoded, int frames) {
    const size_t labels = head_->labels();
    auto* log_probs = context.arena.allocate<float>(frames * labels);
    auto* scratch = context.arena.allocate<float>(labels);
    head_->log_probs(context, encoded, frames, log_probs);
    if (context.counts()) return;
    for (int i = 0; i < frames; i++)
        take_frame({log_probs + i * labels, labels}, {scratch, labels});
}

void BeamCtc::take_frame(std::span<const float> log_probs, std::span<float> scratch) {
    candidates_.clear();
    for (int i = 0; i < static_cast<int>(beam_.size()); i++) {
        score_labels(beam_[i], log_probs, scratch);
        top_k(scratch, options_.size, best_);
        for (const auto& [score, label] : best_)
            candidates_.push_back({beam_[i].score + score, i, label, 0});
    }
    keep_best(candidates_);
    if (!candidates_.empty()) {  // a model that gives no numbers has nothing to say
        const double top = *std::max_element(log_probs.begin(), log_probs.end());
        extend_beam(max_prob(top, head_->labels()));
        claim_slots();
    }
    settle();
    frame_++;
}

/// What each label adds to the score of a hypothesis.
void BeamCtc::score_labels(const Hypothesis& hypothesis, std::span<const float> log_probs,
                           std::span<float> scores) const {
    const auto bonus = static_cast<float>(options_.beam_beta);
    for (int token = 0; token < blank_; token++) scores[token] = log_probs[token] + bonus;
    const std::span<const float> extra = texts_.scores(hypothesis.text);
    for (size_t token = 0; token < extra.size(); token++) scores[token] += extra[token];
    scores[blank_] = log_probs[blank_];
    if (hypothesis.label != kNone) scores[hypothesis.label] = log_probs[hypothesis.label];
}

/// Makes the candidates the beam.
void BeamCtc::extend_beam(double confidence) {
    const double bar = candidates_.front().score - options_.beam_threshold;
    for (const auto& [score, from_index, label, duration] : candidates_) {
        if (score <= bar) break;
        const Hypothesis& from = beam_[from_index];
        const bool is_token = label != blank_ && label != from.label;
        const int text = is_token ? texts_.extend(from.text, label) : from.text;
        const auto is_equal = [text, label = label](const Hypothesis& other) {
            return other.text == text && other.label == label;
        };
        if (std::any_of(next_.begin(), next_.end(), is_equal)) continue;  // by a better one
        Hypothesis next = from;
        next.frame = frame_;
        if (is_token) next = extended(next, label, Emission::kNoDuration, confidence);
        next.score = score;
        next.label = label;
        hold(next);
        next_.push_back(next);
    }
    replace_beam(next_);
}

void BeamCtc::conclude(Context&) {
    for (Hypothesis& hypothesis : beam_) hypothesis.score += texts_.final_score(hypothesis.text);
}

}  // namespace parrotlet
