#include "decoding/phrase_tree.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

#include "runtime/heap.h"

namespace parrotlet {

namespace {

struct Node {
    double weight = 0;  ///< of the token that leads here
    double sum = 0;     ///< of the weights from the root
    int level = 0;
    bool end = false;
    std::map<int, uint32_t> next;
};

void check_number(double value, const std::string& name) {
    if (std::fabs(value) <= PhraseTree::kMaxScore) return;  // false for NaN
    char text[80];
    std::snprintf(text, sizeof text, " is %g, which is not from -%g to %g", value,
                  PhraseTree::kMaxScore, PhraseTree::kMaxScore);
    throw std::invalid_argument(name + text);
}

void check(const Phrase& phrase, size_t index, int vocab_size) {
    const std::string name = "phrase " + std::to_string(index);
    if (phrase.tokens.empty()) throw std::invalid_argument(name + " has no tokens");
    if (phrase.tokens.size() > PhraseTree::kMaxTokens)
        throw std::invalid_argument(name + " has more than " +
                                    std::to_string(PhraseTree::kMaxTokens) + " tokens");
    check_number(phrase.score, "the score of " + name);
    for (const int token : phrase.tokens)
        if (token < 0 || token >= vocab_size)
            throw std::invalid_argument(name + " has token " + std::to_string(token) +
                                        ", outside of a vocabulary of " +
                                        std::to_string(vocab_size));
}

void add_phrase(std::vector<Node>& nodes, const Phrase& phrase, const PhraseTreeOptions& options) {
    uint32_t at = 0;
    for (size_t i = 0; i < phrase.tokens.size(); i++) {
        const auto [it, is_new] =
            nodes[at].next.try_emplace(phrase.tokens[i], static_cast<uint32_t>(nodes.size()));
        const uint32_t child = it->second;
        if (is_new) {
            Node& added = nodes.emplace_back();
            added.level = nodes[at].level + 1;
            added.weight =
                i == 0 || options.uniform_weights
                    ? phrase.score
                    : phrase.score * options.depth_scaling + std::log(static_cast<double>(i + 1));
        }
        // A shared node keeps the larger score. Sums below it that this phrase does not pass stay.
        Node& node = nodes[child];
        node.weight = std::max(node.weight, phrase.score);
        node.sum = nodes[at].sum + node.weight;
        at = child;
    }
    nodes[at].end = true;
}

/// The nodes level by level, the children of one together and in the order of their tokens.
std::vector<uint32_t> breadth_first(const std::vector<Node>& nodes) {
    std::vector<uint32_t> order{0};
    order.reserve(nodes.size());
    for (size_t i = 0; i < order.size(); i++)
        for (const auto& [token, child] : nodes[order[i]].next) order.push_back(child);
    return order;
}

}  // namespace

struct PhraseTree::Built {
    Tables tables;
    std::vector<bool> ends;

    Built(int vocab_size, const std::vector<Phrase>& phrases, const PhraseTreeOptions& options) {
        check_number(options.depth_scaling, "depth_scaling");
        check_number(options.unknown_score, "unknown_score");
        std::vector<Node> nodes(1);
        for (size_t i = 0; i < phrases.size(); i++) {
            check(phrases[i], i, vocab_size);
            add_phrase(nodes, phrases[i], options);
        }
        tables.vocab_size = vocab_size;
        for (int token = 0; token < vocab_size; token++)
            tables.arcs.push_back(
                {static_cast<uint32_t>(token), 0, static_cast<float>(options.unknown_score)});
        tables.states.push_back({0, 0, 0});
        add_states(nodes, options);
        tables.states.shrink_to_fit();
        tables.arcs.shrink_to_fit();
    }

    void add_states(const std::vector<Node>& nodes, const PhraseTreeOptions& options) {
        const std::vector<uint32_t> order = breadth_first(nodes);
        // The root's place is taken: each child of a state becomes the next one.
        ends.push_back(false);
        for (size_t state = 0; state < order.size(); state++) {
            if (state != 0) tables.states[state].first_arc = tables.arcs.size();
            for (const auto& [token, child] : nodes[order[state]].next) {
                const Node& node = nodes[child];
                const auto to = static_cast<uint32_t>(tables.states.size());
                const bool closing = options.uniform_weights && node.level > 1;
                const double bonus = closing && node.end ? node.sum : 0;
                const Arc arc{static_cast<uint32_t>(token), to,
                              static_cast<float>(node.weight + bonus)};
                const uint32_t fail = state == 0 ? 0 : longest_suffix(state, token);
                const bool is_free = node.end && !closing;
                const double backoff = is_free ? 0 : nodes[order[fail]].sum - node.sum;
                if (state == 0)
                    tables.arcs[token] = arc;
                else
                    tables.arcs.push_back(arc);
                // Where its arcs begin is known once those of the states before it are there.
                tables.states.push_back({UINT32_MAX, static_cast<float>(backoff), fail});
                ends.push_back(node.end);
            }
        }
    }

    /// Where a token leads from the state that `parent` backs off to, and so on.
    uint32_t longest_suffix(uint32_t parent, int token) const {
        for (uint32_t state = parent; state != 0;) {
            state = tables.states[state].backoff_to;
            if (state == 0) return tables.arcs[token].to;
            if (const Arc* arc = find_arc(arcs_of(tables, state), token)) return arc->to;
        }
        return 0;
    }
};

PhraseTree::PhraseTree(int vocab_size, const std::vector<Phrase>& phrases,
                       const PhraseTreeOptions& options)
    : PhraseTree(Built(vocab_size, phrases, options)) {}

PhraseTree::PhraseTree(Built built)
    : BackoffGraph(std::move(built.tables)), ends_(std::move(built.ends)) {
    give_back_heap();
}

}  // namespace parrotlet
