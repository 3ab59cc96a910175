// parrotlet._core.decoding: scorers of tokens. Checks of arguments and the GIL, no logic.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "decoding/ngram.h"
#include "decoding/phrase_tree.h"
#include "decoding/weighted_sum.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

// A character of ARPA stands for a token: there are no more tokens than characters.
constexpr int kMaxVocabulary = 1 << 20;

int checked_vocabulary(int size) {
    if (size < 1 || size > kMaxVocabulary)
        throw py::value_error("vocab_size must be from 1 to " + std::to_string(kMaxVocabulary) +
                              ", not " + std::to_string(size));
    return size;
}

ScorerState checked(const TokenScorer& scorer, ScorerState state) {
    if (state >= scorer.states())
        throw py::index_error("the scorer has no state " + std::to_string(state));
    return state;
}

int checked_token(const TokenScorer& scorer, int64_t token) {
    if (token < 0 || token >= scorer.vocab_size())
        throw py::index_error("token " + std::to_string(token) + " is not in the vocabulary");
    return static_cast<int>(token);
}

/// Scores and next states of `tokens` after `states`.
std::pair<py::array_t<float>, Numbers> steps(const BackoffGraph& graph, const Numbers& states,
                                             const Numbers& tokens) {
    require_rank(states, 1, "states");
    require_shape(tokens, {states.size()}, "tokens");
    const py::ssize_t n = states.size();
    for (py::ssize_t i = 0; i < n; i++) {
        checked(graph, states.data()[i]);
        checked_token(graph, tokens.data()[i]);
    }
    py::array_t<float> scores(n);
    Numbers to(n);
    const int64_t *from = states.data(), *token = tokens.data();
    float* score = scores.mutable_data();
    int64_t* next = to.mutable_data();
    for (py::ssize_t i = 0; i < n; i++) {
        const auto step = graph.step(from[i], static_cast<int>(token[i]));
        score[i] = step.score;
        next[i] = step.to;
    }
    return {scores, to};
}

void bind_scorer(py::module_& m) {
    using Scorer = TokenScorer;
    py::class_<Scorer, std::shared_ptr<Scorer>>(m, "TokenScorer")
        .def_property_readonly("vocab_size", &Scorer::vocab_size)
        .def_property_readonly("states", &Scorer::states)
        .def_property_readonly("weight", &Scorer::weight)
        .def("start", &Scorer::start)
        .def(
            "scores",
            [](const Scorer& scorer, ScorerState state) {
                py::array_t<float> out(scorer.vocab_size());
                scorer.scores(checked(scorer, state),
                              {out.mutable_data(), static_cast<size_t>(out.size())});
                return out;
            },
            "state"_a)
        .def(
            "advance",
            [](const Scorer& scorer, ScorerState state, int token) {
                return scorer.advance(checked(scorer, state), checked_token(scorer, token));
            },
            "state"_a, "token"_a)
        .def(
            "final_score",
            [](const Scorer& scorer, ScorerState state) {
                return scorer.final_score(checked(scorer, state));
            },
            "state"_a);
}

void bind_graph(py::module_& m) {
    using Graph = BackoffGraph;
    py::class_<Graph, TokenScorer, std::shared_ptr<Graph>>(m, "BackoffGraph")
        .def_property_readonly("n_bytes", [](const Graph& graph) { return graph.bytes(); })
        .def(
            "step",
            [](const Graph& graph, ScorerState state, int token) {
                const auto step = graph.step(checked(graph, state), checked_token(graph, token));
                return std::pair(step.score, step.to);
            },
            "state"_a, "token"_a)
        .def("steps", steps, "states"_a, "tokens"_a)
        .def(
            "arcs",
            [](const Graph& graph, ScorerState state) {
                std::vector<std::tuple<uint32_t, uint32_t, float>> arcs;
                for (const auto& arc : graph.arcs(checked(graph, state)))
                    arcs.emplace_back(arc.token, arc.to, arc.weight);
                return arcs;
            },
            "state"_a)
        .def(
            "backoff",
            [](const Graph& graph, ScorerState state) {
                const auto& s = graph.state(checked(graph, state));
                return std::pair(s.backoff_to, s.backoff);
            },
            "state"_a);
}

void bind_ngram(py::module_& m) {
    py::class_<NgramModel, BackoffGraph, std::shared_ptr<NgramModel>>(m, "NgramModel")
        .def_property_readonly("order", &NgramModel::order);
    py::class_<ArpaReader>(m, "ArpaReader")
        .def(py::init([](std::string name, int vocab_size) {
                 return ArpaReader(std::move(name), checked_vocabulary(vocab_size));
             }),
             "name"_a, "vocab_size"_a)
        .def(
            "feed",
            [](ArpaReader& reader, std::string_view bytes) {
                py::gil_scoped_release release;
                reader.feed(bytes);
            },
            "bytes"_a)
        .def("finish",
             [](ArpaReader& reader) {
                 py::gil_scoped_release release;
                 return reader.finish();
             })
        .def_property_readonly("ngrams_read", &ArpaReader::ngrams_read)
        .def_property_readonly("ngrams_promised", &ArpaReader::ngrams_promised)
        .def_property_readonly("counts", &ArpaReader::counts)
        .def_property_readonly("model_bytes", &ArpaReader::model_bytes);
    m.attr("TOKEN_OFFSET") = ArpaReader::kTokenOffset;
    m.attr("MAX_ORDER") = ArpaReader::kMaxOrder;
    m.attr("MAX_VOCABULARY") = kMaxVocabulary;
}

void bind_phrases(py::module_& m) {
    py::class_<PhraseTree, BackoffGraph, std::shared_ptr<PhraseTree>>(m, "PhraseTree")
        .def(py::init([](int vocab_size, std::vector<std::pair<std::vector<int>, double>> given,
                         double depth_scaling, double unknown_score, bool uniform_weights) {
                 checked_vocabulary(vocab_size);
                 std::vector<Phrase> phrases;
                 for (auto& [tokens, score] : given) phrases.push_back({std::move(tokens), score});
                 py::gil_scoped_release release;
                 return std::make_shared<PhraseTree>(
                     vocab_size, phrases,
                     PhraseTreeOptions{depth_scaling, unknown_score, uniform_weights});
             }),
             "vocab_size"_a, "phrases"_a, "depth_scaling"_a = 2.0, "unknown_score"_a = 0.0,
             "uniform_weights"_a = false)
        .def(
            "is_end",
            [](const PhraseTree& tree, ScorerState state) {
                return tree.is_end(checked(tree, state));
            },
            "state"_a);
    m.attr("MAX_PHRASE_TOKENS") = PhraseTree::kMaxTokens;
    m.attr("MAX_PHRASE_SCORE") = PhraseTree::kMaxScore;
}

void bind_sum(py::module_& m) {
    using Given = std::vector<std::pair<std::shared_ptr<TokenScorer>, float>>;
    py::class_<WeightedSum, TokenScorer, std::shared_ptr<WeightedSum>>(m, "WeightedSum")
        .def(py::init([](const Given& given) {
                 std::vector<WeightedSum::Part> parts;
                 for (const auto& [scorer, weight] : given) {
                     if (!scorer) throw py::value_error("a scorer is None");
                     parts.push_back({scorer, weight});
                 }
                 return std::make_shared<WeightedSum>(std::move(parts));
             }),
             "parts"_a);
}

}  // namespace

void bind_decoding(py::module_& module) {
    py::module_ m = module.def_submodule("decoding", "Scorers of tokens, for searches.");
    bind_scorer(m);
    bind_graph(m);
    bind_ngram(m);
    bind_phrases(m);
    bind_sum(m);
}

}  // namespace parrotlet
