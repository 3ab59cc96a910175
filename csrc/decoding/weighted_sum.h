// Several scorers as one: NeMo's fusion of a language model and phrases.
#pragma once

#include <memory>
#include <vector>

#include "decoding/token_scorer.h"

namespace parrotlet {

/// The sum of scorers, each multiplied by a weight of its own. Its state holds one of each.
class WeightedSum final : public TokenScorer {
  public:
    struct Part {
        std::shared_ptr<const TokenScorer> scorer;
        float weight;
    };

    /// The largest gain: scores stay finite in sums within sums.
    static constexpr double kMaxGain = 1e6;

    /// Throws std::invalid_argument for no parts, weights that are not finite or whose gain is more
    /// than kMaxGain, vocabularies of different sizes, and more states than a ScorerState can tell
    /// apart.
    explicit WeightedSum(std::vector<Part> parts);

    int vocab_size() const override { return parts_[0].scorer->vocab_size(); }
    uint64_t states() const override { return states_; }
    ScorerState start() const override;
    void scores(ScorerState state, std::span<float> out) const override;
    ScorerState advance(ScorerState state, int token) const override;
    float final_score(ScorerState state) const override;
    float weight() const override;
    double gain() const override { return gain_; }

  private:
    std::vector<Part> parts_;
    uint64_t states_ = 1;
    double gain_ = 0;
};

}  // namespace parrotlet
