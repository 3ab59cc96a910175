#include "decoding/beam/beam_transducer.h"

#include <algorithm>
#include <cmath>

#include "decoding/argmax.h"

namespace parrotlet {

namespace {

/// Makes logits log-probabilities; returns the largest.
float log_softmax(const KernelTable& kernels, std::span<float> logits) {
    const float top = logits[argmax(logits)];
    const float log_sum =
        top + std::log(kernels.sum_exp(logits.data(), static_cast<int>(logits.size()), top));
    for (float& logit : logits) logit -= log_sum;
    return top - log_sum;
}

}  // namespace

BeamTransducer::BeamTransducer(Context& context, const Transducer& head,
                               const SearchOptions& options, double certain)
    : BeamSearch(options, head.blank(), options.beam.score_norm),
      head_(&head),
      process_(options.process),
      certain_(static_cast<float>(certain)),
      weight_(options.beam.blank_score == BeamOptions::BlankScore::no_score
                  ? 0.0f
                  : static_cast<float>(texts_.weight())),
      states_(head.start(context).gather(
          std::vector<int>(BeamTexts::slots_for(options.beam.size), 0))) {
    claim_slots();  // each of which has the state of no tokens
}

void BeamTransducer::offer(Context& context, std::span<const int> members,
                           std::span<const float* const> frames, float* logits) {
    rows_.clear();
    for (const int member : members) rows_.push_back(texts_.slot(beam_[member].text));
    head_->joint(context, frames, states_, rows_, logits);
    offers_.clear();
    const size_t outputs = head_->outputs();
    for (size_t i = 0; i < members.size(); i++) {
        const Hypothesis& hypothesis = beam_[members[i]];
        const std::span<float> row(logits + i * outputs, outputs);
        if (process_) process_(hypothesis.frame, texts_.tokens(hypothesis.text), row);
        offers_.push_back(distribution(context.kernels, row, hypothesis.text));
    }
}

BeamTransducer::Offer BeamTransducer::distribution(const KernelTable& kernels,
                                                   std::span<float> logits, int text) const {
    Offer offer;
    offer.labels = logits.first(head_->labels());
    offer.durations = logits.subspan(head_->labels());
    offer.scores = texts_.scores(text);
    offer.top = log_softmax(kernels, offer.labels);
    offer.blank = offer.labels[blank_];
    if (!offer.durations.empty()) log_softmax(kernels, offer.durations);
    if (!texts_.has_scorer()) return offer;
    if (weight_ != 0)
        offer.not_blank = weight_ * std::log1p(-std::min(std::exp(offer.blank), certain_));
    if (!is_late()) return offer;
    for (size_t token = 0; token < offer.scores.size(); token++)
        offer.labels[token] += offer.scores[token] + offer.not_blank;
    offer.labels[blank_] *= 1 + weight_;
    return offer;
}

float BeamTransducer::with_scorer(const Offer& offer, int label) const {
    const float log_prob = offer.labels[label];
    return label == blank_ ? log_prob * (1 + weight_)
                           : log_prob + (offer.scores[label] + offer.not_blank);
}

float BeamTransducer::weighed(const Offer& offer, int label) const {
    return is_late() || !texts_.has_scorer() ? offer.labels[label] : with_scorer(offer, label);
}

void BeamTransducer::find_best(const Offer& offer, int k) {
    top_k(offer.labels, k, best_);
    if (is_late() || !texts_.has_scorer()) return;
    for (Scored& one : best_) one.score = with_scorer(offer, one.index);
    std::stable_sort(best_.begin(), best_.end(),
                     [](const Scored& a, const Scored& b) { return a.score > b.score; });
}

void BeamTransducer::predict(Context& context) {
    const std::vector<int>& texts = claim_slots();
    if (texts.empty()) return;
    rows_.clear();
    parents_.clear();
    tokens_.clear();
    for (const int text : texts) {
        rows_.push_back(texts_.slot(text));
        parents_.push_back(texts_.slot(texts_.parent(text)));
        tokens_.push_back(texts_.last_token(text));
    }
    PredictorState next = states_.gather(parents_);
    head_->advance(context, tokens_, next);
    states_.put(next, rows_);
}

void BeamTransducer::count_step(Context& context, float* logits) {
    const std::vector<int> slots(options_.size, 0), tokens(options_.size, blank_);
    const std::vector<const float*> frames(options_.size);
    head_->joint(context, frames, states_, slots, logits);
    PredictorState next = states_.gather(slots);
    head_->advance(context, tokens, next);
}

}  // namespace parrotlet
