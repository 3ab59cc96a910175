#include "decoding/beam/beam_search.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace parrotlet {

BeamSearch::BeamSearch(const SearchOptions& options, int blank, bool normalised)
    : options_(options.beam),
      blank_(blank),
      texts_(options.scorer, options.beam.size),
      normalised_(normalised),
      emissions_(Emission{}) {
    hold(beam_.emplace_back());
}

void BeamSearch::take(Context& context, const float* encoded, int frames) {
    advance(context, encoded, frames);
    if (!context.counts()) tentative_ = emissions_.path(best().emission);
}

void BeamSearch::end(Context& context) {
    settled_.clear();
    tentative_.clear();
    conclude(context);
    std::stable_sort(beam_.begin(), beam_.end(), [this](const Hypothesis& a, const Hypothesis& b) {
        return rank(a) > rank(b);
    });
    for (const Hypothesis& hypothesis : beam_) {
        std::vector<Emission> tokens = settled_;
        for (const Emission& emission : emissions_.path(hypothesis.emission))
            tokens.push_back(emission);
        alternatives_.push_back({hypothesis.score, std::move(tokens)});
    }
    settled_ = alternatives_.front().tokens;
}

const BeamSearch::Hypothesis& BeamSearch::best() const {
    return *std::max_element(
        beam_.begin(), beam_.end(),
        [this](const Hypothesis& a, const Hypothesis& b) { return rank(a) < rank(b); });
}

void BeamSearch::settle() {
    if (texts_.tokens(best().text) - settled_tokens_ > kMostUnsettled) drop_others();
    while (emissions_.advance_root()) {
        settled_.push_back(emissions_[emissions_.root()]);
        settled_tokens_++;
    }
    texts_.trim();
}

/// Drops the hypotheses that do not begin with the best one's oldest token that is not settled.
void BeamSearch::drop_others() {
    const int token = emissions_.first_on_path(best().emission);
    drop([&](const Hypothesis& hypothesis) {
        return emissions_.first_on_path(hypothesis.emission) != token;
    });
}

double BeamSearch::rank(const Hypothesis& hypothesis) const {
    if (!normalised_) return hypothesis.score;
    return hypothesis.score / static_cast<double>(texts_.tokens(hypothesis.text) + 1);
}

void BeamSearch::keep_best(std::vector<Candidate>& candidates) const {
    const size_t count = std::min<size_t>(candidates.size(), options_.size);
    std::partial_sort(candidates.begin(), candidates.begin() + count, candidates.end(),
                      [](const Candidate& a, const Candidate& b) {
                          return std::tie(b.score, a.from, a.label, a.duration) <
                                 std::tie(a.score, b.from, b.label, b.duration);
                      });
    candidates.resize(count);
}

BeamSearch::Hypothesis BeamSearch::extended(const Hypothesis& from, int token, int duration,
                                            double confidence) {
    Hypothesis to = from;
    to.text = texts_.extend(from.text, token);
    to.emission = emissions_.add(from.emission, {token, from.frame, duration, confidence});
    return to;
}

void BeamSearch::hold(const Hypothesis& hypothesis) {
    texts_.hold(hypothesis.text);
    emissions_.hold(hypothesis.emission);
}

void BeamSearch::replace_beam(std::vector<Hypothesis>& next) {
    for (const Hypothesis& hypothesis : beam_) release(hypothesis);
    std::swap(beam_, next);
    next.clear();
}

void BeamSearch::release(const Hypothesis& hypothesis) {
    texts_.release(hypothesis.text);
    emissions_.release(hypothesis.emission);
}

const std::vector<int>& BeamSearch::claim_slots() {
    live_texts_.clear();
    for (const Hypothesis& hypothesis : beam_) live_texts_.push_back(hypothesis.text);
    return texts_.claim(live_texts_);
}

double log_add(double a, double b) {
    const double top = std::max(a, b);
    return top + std::log1p(std::exp(std::min(a, b) - top));
}

}  // namespace parrotlet
