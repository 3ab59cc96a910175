#include "decoding/backoff_graph.h"

#include <algorithm>
#include <utility>

namespace parrotlet {

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

BackoffGraph::BackoffGraph(Tables tables) : tables_(std::move(tables)) {
    tables_.states.shrink_to_fit();
    tables_.arcs.shrink_to_fit();
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
    if (state != 0) {
        const State& s = tables_.states[state];
        write_scores(s.backoff_to, backoff + s.backoff, out);
    }
    for (const Arc& arc : arcs(state)) out[arc.token] = backoff + arc.weight;
}

BackoffGraph::Step BackoffGraph::step(ScorerState state, int token) const {
    float backoff = 0;
    while (state != 0) {
        if (const Arc* arc = find_arc(arcs(state), token)) return {backoff + arc->weight, arc->to};
        backoff += tables_.states[state].backoff;
        state = tables_.states[state].backoff_to;
    }
    const Arc& arc = tables_.arcs[token];
    return {backoff + arc.weight, arc.to};
}

ScorerState BackoffGraph::advance(ScorerState state, int token) const {
    return step(state, token).to;
}

float BackoffGraph::final_score(ScorerState state) const {
    return tables_.states[state].final_score;
}

}  // namespace parrotlet
