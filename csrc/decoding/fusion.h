// Shallow fusion in a greedy search: which token is the best when a scorer has its say.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "decoding/token_scorer.h"

namespace parrotlet {

/// A scorer and where the text of one hypothesis is in it. The scorer is asked once for each
/// token of the text at most, however often best() is.
class Fusion {
  public:
    /// Without a scorer, best() and advance() must not be called. Throws std::invalid_argument for
    /// a scorer of another vocabulary than that of `vocab_size` tokens.
    Fusion(std::shared_ptr<const TokenScorer> scorer, int vocab_size);

    explicit operator bool() const { return scorer_ != nullptr; }

    /// The token with the largest sum of its own score [vocab_size] and the scorer's; of equal ones
    /// the first. It is never `excluded`.
    int best(std::span<const float> own, int excluded = kNone);

    /// The text goes on with a token.
    void advance(int token);

    static constexpr int kNone = -1;

  private:
    std::shared_ptr<const TokenScorer> scorer_;
    ScorerState state_ = 0;
    bool asked_ = false;  ///< whether scores_ are those of state_
    std::vector<float> scores_, sums_;
};

}  // namespace parrotlet
