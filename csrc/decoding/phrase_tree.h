// Phrases to prefer, as one automaton over tokens: NeMo's boosting tree.
#pragma once

#include <vector>

#include "decoding/backoff_graph.h"

namespace parrotlet {

/// A phrase by its tokens, and the score of its first token (NeMo's context_score).
struct Phrase {
    std::vector<int> tokens;
    double score = 1;
};

struct PhraseTreeOptions {
    double depth_scaling = 2;      ///< multiplies the score of every later token
    double unknown_score = 0;      ///< of a token that continues and begins no phrase
    bool uniform_weights = false;  ///< every token has the phrase's score
};

/// An Aho-Corasick automaton whose back-off weights take back what an unfinished phrase was given.
///
/// Source: NeMo `context_graph_universal.ContextGraph`, `boosting_graph_batched`.
class PhraseTree final : public BackoffGraph {
  public:
    /// Throws std::invalid_argument for a phrase without tokens, with more than kMaxTokens, with
    /// tokens outside of the vocabulary, and for numbers that are not from -kMaxScore to kMaxScore.
    PhraseTree(int vocab_size, const std::vector<Phrase>& phrases,
               const PhraseTreeOptions& options);

    static constexpr size_t kMaxTokens = 1000;

    /// Of a score, depth_scaling and unknown_score. What a whole phrase scores is then 1e15 at
    /// most.
    static constexpr double kMaxScore = 1e6;

    float final_score(ScorerState /*state*/) const override { return 0; }

    /// Whether a phrase ends in a state.
    bool is_end(ScorerState state) const { return ends_[state]; }

  private:
    struct Built;
    explicit PhraseTree(Built built);

    std::vector<bool> ends_;
};

}  // namespace parrotlet
