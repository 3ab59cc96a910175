// What a search asks of a language model, of phrases, or of several of them: scores of the tokens
// that may come next. NeMo calls these fusion models.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace parrotlet {

/// Where a scorer is in a text. Copying a hypothesis copies one number.
using ScorerState = uint64_t;

/// Scores next tokens. Scorers do not change once they are made, and serve any number of threads.
class TokenScorer {
  public:
    virtual ~TokenScorer() = default;

    /// Number of tokens that have a score, without the blank.
    virtual int vocab_size() const = 0;
    /// States are the numbers below this one.
    virtual uint64_t states() const = 0;
    /// The state before the first token.
    virtual ScorerState start() const = 0;
    /// Writes the score of every token to `out` [vocab_size].
    virtual void scores(ScorerState state, std::span<float> out) const = 0;
    /// The state after one more token, from 0 to vocab_size - 1.
    virtual ScorerState advance(ScorerState state, int token) const = 0;
    /// The score of the text's end.
    virtual float final_score(ScorerState state) const = 0;
    /// What scores have been multiplied by: the sum of NeMo's alphas.
    virtual float weight() const { return 1; }
    /// How many times as large scores can be: the sum of the magnitudes of the weights.
    virtual double gain() const { return 1; }
};

/// Throws std::invalid_argument for a scorer of another vocabulary than one of `vocab_size` tokens.
inline void require_vocabulary(const TokenScorer& scorer, int vocab_size) {
    if (scorer.vocab_size() != vocab_size)
        throw std::invalid_argument("the scorer is for " + std::to_string(scorer.vocab_size()) +
                                    " tokens; the head has " + std::to_string(vocab_size));
}

}  // namespace parrotlet
