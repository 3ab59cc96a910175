// A token automaton with back-off: what n-gram models and phrase trees both are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "decoding/token_scorer.h"
#include "runtime/buffer.h"

namespace parrotlet {

/// States with arcs for some tokens. For any other token a state adds its back-off weight and asks
/// the state that it backs off to; state 0, the root, has an arc for every token.
///
/// A lookup is bound by the memory that it waits for. So a state says by itself that it has no arc
/// for most tokens, and a state with many arcs has a table that says where each of them is.
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
        float backoff;
        uint32_t backoff_to : 31;
        uint32_t is_wide : 1 = 0;  ///< set by the graph, as is `lookup`
        /// The place of a wide state's words; of another one, the bits token % 32 of its arcs.
        uint32_t lookup = 0;
    };

    /// One more than the largest number of a state.
    static constexpr uint64_t kMostStates = uint64_t{1} << 31;

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
        std::vector<State, AlignedAllocator<State>> states;
        std::vector<Arc, AlignedAllocator<Arc>> arcs;
    };

    explicit BackoffGraph(Tables tables);

    static std::span<const Arc> arcs_of(const Tables& tables, uint32_t state);

    int vocab_size() const override { return tables_.vocab_size; }
    uint64_t states() const override { return tables_.states.size(); }
    ScorerState start() const override { return tables_.start; }
    void scores(ScorerState state, std::span<float> out) const override;
    ScorerState advance(ScorerState state, int token) const override;

    Step step(ScorerState state, int token) const;
    std::span<const Arc> arcs(ScorerState state) const;
    const State& state(ScorerState state) const { return tables_.states[state]; }
    virtual size_t bytes() const;

    /// Of a graph of so many states and arcs, but for the words of wide states.
    static size_t bytes(uint64_t states, uint64_t arcs) {
        return states * sizeof(State) + arcs * sizeof(Arc);
    }

  private:
    /// The arcs of a wide state for 32 tokens: which of these have one, and where theirs begin.
    struct Word {
        uint32_t tokens, first_arc;
    };

    void index();
    void add_words(uint32_t state);
    const Arc* find(uint32_t state, uint32_t token) const;
    void write_scores(uint32_t state, float backoff, std::span<float> out) const;

    Tables tables_;
    std::vector<Word> words_;  ///< [wide states, tokens / 32]
};

/// The arc of a token among the arcs of one state, or nullptr. It needs no index.
const BackoffGraph::Arc* find_arc(std::span<const BackoffGraph::Arc> arcs, uint32_t token);

}  // namespace parrotlet
