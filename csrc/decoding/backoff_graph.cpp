#include "decoding/backoff_graph.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace parrotlet {

namespace {

constexpr uint32_t kWordTokens = 32;

/// A state is wide from one arc for so many tokens of the vocabulary on. The words of all states
/// take a sixth of the memory of their arcs at most.
constexpr uint32_t kTokensPerArc = 8;

constexpr uint32_t bit_of(uint32_t token) { return uint32_t{1} << token % kWordTokens; }

}  // namespace

const BackoffGraph::Arc* find_arc(std::span<const BackoffGraph::Arc> arcs, uint32_t token) {
    if (arcs.empty()) return nullptr;
    // The range halves whatever the comparison says, so that there is no jump to mispredict.
    const BackoffGraph::Arc* first = arcs.data();
    for (size_t count = arcs.size(); count > 1;) {
        const size_t half = count / 2;
        first += size_t{first[half].token <= token} * half;
        count -= half;
    }
    return first->token == token ? first : nullptr;
}

BackoffGraph::BackoffGraph(Tables tables) : tables_(std::move(tables)) { index(); }

void BackoffGraph::index() {
    for (uint32_t state = 1; state < tables_.states.size(); state++) {
        const std::span<const Arc> arcs = arcs_of(tables_, state);
        if (arcs.size() >= std::max(kWordTokens, tables_.vocab_size / kTokensPerArc)) {
            add_words(state);
        } else {
            for (const Arc& arc : arcs) tables_.states[state].lookup |= bit_of(arc.token);
        }
    }
    words_.shrink_to_fit();
}

void BackoffGraph::add_words(uint32_t state) {
    tables_.states[state].is_wide = 1;
    tables_.states[state].lookup = static_cast<uint32_t>(words_.size());
    const size_t first = words_.size();
    words_.resize(first + (tables_.vocab_size + kWordTokens - 1) / kWordTokens);
    for (const Arc& arc : arcs_of(tables_, state))
        words_[first + arc.token / kWordTokens].tokens |= bit_of(arc.token);
    uint32_t next = tables_.states[state].first_arc;
    for (size_t i = first; i < words_.size(); i++) {
        words_[i].first_arc = next;
        next += std::popcount(words_[i].tokens);
    }
}

size_t BackoffGraph::bytes() const {
    return bytes(tables_.states.size(), tables_.arcs.size()) + words_.size() * sizeof(Word);
}

std::span<const BackoffGraph::Arc> BackoffGraph::arcs_of(const Tables& tables, uint32_t state) {
    const size_t begin = tables.states[state].first_arc;
    const bool is_last = state + 1 == tables.states.size();
    const size_t end = is_last ? tables.arcs.size() : tables.states[state + 1].first_arc;
    return std::span(tables.arcs).subspan(begin, end - begin);
}

std::span<const BackoffGraph::Arc> BackoffGraph::arcs(ScorerState state) const {
    return arcs_of(tables_, static_cast<uint32_t>(state));
}

void BackoffGraph::scores(ScorerState state, std::span<float> out) const {
    write_scores(static_cast<uint32_t>(state), 0, out);
}

/// `backoff` is the sum of the back-off weights on the way to `state`. The root writes every token;
/// each state on the way back writes over those that it has an arc for.
void BackoffGraph::write_scores(uint32_t state, float backoff, std::span<float> out) const {
    if (state == 0) {
        const Arc* arcs = tables_.arcs.data();
        for (size_t token = 0; token < out.size(); token++)
            out[token] = backoff + arcs[token].weight;
        return;
    }
    const State& s = tables_.states[state];
    write_scores(s.backoff_to, backoff + s.backoff, out);
    for (const Arc& arc : arcs(state)) out[arc.token] = backoff + arc.weight;
}

/// The arc of a token, or nullptr; of any state but the root.
const BackoffGraph::Arc* BackoffGraph::find(uint32_t state, uint32_t token) const {
    const State& s = tables_.states[state];
    const uint32_t bit = bit_of(token);
    if (s.is_wide) {
        const Word& word = words_[s.lookup + token / kWordTokens];
        if (!(word.tokens & bit)) return nullptr;
        return &tables_.arcs[word.first_arc + std::popcount(word.tokens & (bit - 1))];
    }
    return s.lookup & bit ? find_arc(arcs(state), token) : nullptr;
}

BackoffGraph::Step BackoffGraph::step(ScorerState from, int token) const {
    float backoff = 0;
    for (auto state = static_cast<uint32_t>(from); state != 0;) {
        if (const Arc* arc = find(state, token)) return {backoff + arc->weight, arc->to};
        backoff += tables_.states[state].backoff;
        state = tables_.states[state].backoff_to;
    }
    const Arc& arc = tables_.arcs[token];
    return {backoff + arc.weight, arc.to};
}

ScorerState BackoffGraph::advance(ScorerState state, int token) const {
    return step(state, token).to;
}

}  // namespace parrotlet
