// A token automaton with back-off: what n-gram models and phrase trees both are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decoding/token_scorer.h"

namespace parrotlet {

/// States with arcs for some tokens. For any other token a state adds its back-off weight and asks
/// the state that it backs off to; state 0, the root, has an arc for every token.
///
/// Source: NeMo `NGramGPULanguageModel`, of which the boosting tree is a subclass.
class BackoffGraph : public TokenScorer {
  public:
    struct Arc {
        uint32_t token, to;
        float weight;
    };

    struct State {
        uint32_t first_arc;  ///< its arcs end where those of the next state begin
        uint32_t backoff_to;
        float backoff;
        float final_score;
    };

    /// A score, and the state that the token leads to.
    struct Step {
        float score;
        uint32_t to;
    };

    /// The arcs of each state are in the order of their tokens; the first vocab_size arcs are the
    /// root's. A state backs off to one with a smaller number.
    struct Tables {
        int vocab_size = 0;
        uint32_t start = 0;
        std::vector<State> states;
        std::vector<Arc> arcs;
    };

    explicit BackoffGraph(Tables tables);

    static std::span<const Arc> arcs_of(const Tables& tables, uint32_t state);

    int vocab_size() const override { return tables_.vocab_size; }
    uint64_t states() const override { return tables_.states.size(); }
    ScorerState start() const override { return tables_.start; }
    void scores(ScorerState state, std::span<float> out) const override;
    ScorerState advance(ScorerState state, int token) const override;
    float final_score(ScorerState state) const override;

    Step step(ScorerState state, int token) const;
    std::span<const Arc> arcs(ScorerState state) const;
    const State& state(ScorerState state) const { return tables_.states[state]; }
    size_t bytes() const { return bytes(tables_.states.size(), tables_.arcs.size()); }

    /// Of a graph of so many states and arcs.
    static size_t bytes(uint64_t states, uint64_t arcs) {
        return states * sizeof(State) + arcs * sizeof(Arc);
    }

  private:
    void write_scores(uint32_t state, float backoff, std::span<float> out) const;

    Tables tables_;
};

/// The arc of a token among the arcs of one state, or nullptr.
const BackoffGraph::Arc* find_arc(std::span<const BackoffGraph::Arc> arcs, uint32_t token);

}  // namespace parrotlet
