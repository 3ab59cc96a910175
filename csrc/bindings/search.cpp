// Searches as Python objects, and recordings to tokens in one call.

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <set>

#include "bindings/arguments.h"
#include "bindings/bindings.h"
#include "decoding/greedy_ctc.h"
#include "decoding/recognise.h"
#include "decoding/registry.h"
#include "models/acoustic_stream.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

using Model = AcousticModel;

/// [(token, frame, duration or None, confidence)].
py::list rows(std::span<const Emission> emissions) {
    py::list result;
    for (const auto& [token, frame, duration, confidence] : emissions) {
        const bool timed = duration != Emission::kNoDuration;
        result.append(
            py::make_tuple(token, frame, timed ? py::cast(duration) : py::none(), confidence));
    }
    return result;
}

/// [(rows of the tokens, score)].
py::list alternative_rows(std::span<const Alternative> alternatives) {
    py::list result;
    for (const auto& [score, tokens] : alternatives)
        result.append(py::make_tuple(rows(tokens), score));
    return result;
}

/// Calls a function of (frame, emitted, logits) that returns the logits to go on with. Searches
/// copy and drop it without the GIL.
LogitsProcessor processor(const py::object& function) {
    if (function.is_none()) return nullptr;
    const std::shared_ptr<py::object> shared(new py::object(function), [](py::object* object) {
        const py::gil_scoped_acquire acquire;
        delete object;
    });
    return [shared](int64_t frame, int64_t emitted, std::span<float> logits) {
        const py::gil_scoped_acquire acquire;
        const auto count = static_cast<py::ssize_t>(logits.size());
        const FloatArray changed = (*shared)(frame, emitted, FloatArray(count, logits.data()));
        require_shape(changed, {count}, "logits");
        std::copy_n(changed.data(), count, logits.data());
    };
}

SearchOptions options(int64_t max_symbols, const py::object& process,
                      const std::shared_ptr<TokenScorer>& scorer, const BeamOptions& beam) {
    return {
        .max_symbols = max_symbols, .process = processor(process), .scorer = scorer, .beam = beam};
}

/// Position of a name in `names`.
int choice(const std::string& name, std::span<const std::string_view> names, const char* what) {
    for (size_t i = 0; i < names.size(); i++)
        if (names[i] == name) return static_cast<int>(i);
    throw py::value_error("no " + std::string(what) + " '" + name + "'");
}

BeamOptions beam_options(const std::string& strategy, int size, const std::string& pruning,
                         const std::string& blank_score, bool score_norm, int maes_num_steps,
                         int maes_expansion_beta, double maes_expansion_gamma, double beam_beta,
                         double beam_threshold) {
    static constexpr std::string_view kPruning[]{"late", "early"};
    static constexpr std::string_view kBlankScore[]{"lm_weighted_full", "no_score"};
    if (maes_num_steps < 0 || maes_expansion_beta < 0)
        throw py::value_error("maes_num_steps and maes_expansion_beta are counts from 0");
    if (!std::isfinite(beam_beta) || std::isnan(beam_threshold) || std::isnan(maes_expansion_gamma))
        throw py::value_error("a setting of the beam is not a number");
    return {.strategy = static_cast<Strategy>(choice(strategy, kStrategyNames, "strategy")),
            .size = size,
            .pruning = static_cast<BeamOptions::Pruning>(choice(pruning, kPruning, "pruning_mode")),
            .blank_score = static_cast<BeamOptions::BlankScore>(
                choice(blank_score, kBlankScore, "blank_lm_score_mode")),
            .score_norm = score_norm,
            .maes_num_steps = maes_num_steps,
            .maes_expansion_beta = maes_expansion_beta,
            .maes_expansion_gamma = maes_expansion_gamma,
            .beam_beta = beam_beta,
            .beam_threshold = beam_threshold};
}

/// The names of the strategies over the heads that a model may name.
py::dict strategies() {
    py::dict found;
    for (const HeadStrategies& head : {kCtcStrategies, kRnntStrategies, kTdtStrategies}) {
        py::tuple names(head.strategies.size());
        for (size_t i = 0; i < names.size(); i++) names[i] = name_of(head.strategies[i]);
        found[py::str(std::string(head.head))] = names;
    }
    return found;
}

/// A search together with what it runs on, which keeps the model alive. Calls on one search wait
/// for each other.
class BoundSearch {
  public:
    BoundSearch(std::shared_ptr<const Executor> executor, std::unique_ptr<Search> search)
        : executor_(std::move(executor)), search_(std::move(search)) {}

    py::tuple feed(const FloatArray& encoded) {
        require_shape(encoded, {-1, search_->width()}, "encoded");
        const int frames = static_cast<int>(encoded.shape(0));
        const float* in = encoded.data();
        const auto lock = locked(
            [&] { executor_->run([&](Context& context) { search_->feed(context, in, frames); }); });
        return py::make_tuple(rows(search_->settled()), rows(search_->tentative()));
    }

    py::list finish() {
        const auto lock = locked([&] {
            executor_->run([&](Context& context) { search_->finish(context); });
            finished_ = true;
        });
        return rows(search_->settled());
    }

    bool revises() const { return search_->revises(); }

    /// Feeds live recordings of one model, or finishes those without samples, and feeds their
    /// searches with the frames that this completes, together. Returns for each the number of
    /// frames, and what feed() of the search returns.
    static py::list feed_streams(const std::vector<AcousticStream*>& streams,
                                 const std::vector<BoundSearch*>& searches,
                                 const std::vector<std::optional<FloatArray>>& samples) {
        require_of_one_model(streams, searches, samples.size());
        std::vector<AcousticStream::Next> next;
        for (const std::optional<FloatArray>& piece : samples)
            if (piece)
                next.emplace_back(checked_samples(*piece));
            else
                next.emplace_back();
        if (streams.empty()) return py::list();
        std::vector<std::vector<float>> encoded(streams.size());
        std::vector<std::unique_lock<std::mutex>> locks;
        {
            py::gil_scoped_release release;
            AcousticStream::feed(streams, next, encoded);
            locks = lock_all(searches);
            const Model& model = streams[0]->model();
            const int width = model.encoder().d_model();
            std::vector<SearchFrames> pieces;
            for (size_t i = 0; i < searches.size(); i++)
                pieces.push_back({searches[i]->search_.get(), encoded[i].data(),
                                  static_cast<int>(encoded[i].size()) / width});
            model.executor().run([&](Context& context) { Search::feed(context, pieces); });
        }
        py::list result;
        for (size_t i = 0; i < searches.size(); i++) {
            const Search& search = *searches[i]->search_;
            result.append(py::make_tuple(encoded[i].size() / search.width(), rows(search.settled()),
                                         rows(search.tentative())));
        }
        return result;
    }

    std::unique_ptr<BoundSearch> copy() {
        std::unique_ptr<Search> search;
        const auto lock = locked([&] { search = search_->copy(); });
        return std::make_unique<BoundSearch>(executor_, std::move(search));
    }

    /// The texts that a finished search has found.
    py::list alternatives() {
        std::unique_lock lock(mutex_, std::defer_lock);
        {
            py::gil_scoped_release release;
            lock.lock();
        }
        return alternative_rows(search_->alternatives());
    }

  private:
    static void require_of_one_model(const std::vector<AcousticStream*>& streams,
                                     const std::vector<BoundSearch*>& searches, size_t samples) {
        if (streams.size() != searches.size() || streams.size() != samples)
            throw py::value_error("each stream has a search and samples");
        const auto repeats = [](const auto& all) {
            return std::set(all.begin(), all.end()).size() != all.size();
        };
        if (repeats(streams) || repeats(searches))
            throw py::value_error("a stream or a search is there twice");
        for (size_t i = 0; i < streams.size(); i++) {
            const Model& model = streams[i]->model();
            if (&model != &streams[0]->model() || &model.executor() != searches[i]->executor_.get())
                throw py::value_error("streams that are fed together must be of one model");
        }
    }

    /// Locks in an order that all callers share, so that no two wait for each other. Throws
    /// ValueError if one is finished.
    static std::vector<std::unique_lock<std::mutex>> lock_all(std::vector<BoundSearch*> searches) {
        std::sort(searches.begin(), searches.end(), std::less<>());
        std::vector<std::unique_lock<std::mutex>> locks;
        for (BoundSearch* search : searches) {
            locks.emplace_back(search->mutex_);
            if (search->finished_) throw std::invalid_argument(kFinished);
        }
        return locks;
    }

    static constexpr const char* kFinished = "the search is finished; start another one";

    /// Runs body() without the GIL, and keeps other calls out as long as what it returns lives.
    template <typename Body>
    std::unique_lock<std::mutex> locked(Body body) {
        py::gil_scoped_release release;
        std::unique_lock lock(mutex_);
        if (finished_) throw std::invalid_argument(kFinished);
        body();
        return lock;
    }

    std::shared_ptr<const Executor> executor_;
    std::unique_ptr<Search> search_;
    bool finished_ = false;
    std::mutex mutex_;
};

std::unique_ptr<BoundSearch> search(const std::shared_ptr<const Model>& model,
                                    const std::string& name, const SearchOptions& options) {
    const Head& head = named_head(model->heads(), name);
    py::gil_scoped_release release;
    auto search = model->executor().run(
        [&](Context& context) { return make_search(context, head, options); });
    return std::make_unique<BoundSearch>(std::shared_ptr<const Executor>(model, &model->executor()),
                                         std::move(search));
}

std::unique_ptr<BoundSearch> search_log_probs(int labels,
                                              const std::shared_ptr<TokenScorer>& scorer) {
    if (labels < 1) throw py::value_error("there is at least one label, the blank");
    return std::make_unique<BoundSearch>(std::make_shared<const Executor>(1),
                                         std::make_unique<GreedyCtc>(labels, scorer));
}

py::tuple recognised(const Model& model, const FloatArray& samples, int left, int right,
                     const std::string& name, const SearchOptions& options, int prompt) {
    const std::span<const float> in = checked_samples(samples);
    if (model.frontend().frames(in.size()) == 0) throw py::value_error("samples have no frames");
    const EncoderChoice choice{checked_attention(left, right), checked_prompt(model, prompt)};
    const Head& head = named_head(model.heads(), name);
    Recognised found;
    {
        py::gil_scoped_release release;
        found = recognise(model, in, choice, head, options);
    }
    return py::make_tuple(rows(found.tokens), alternative_rows(found.alternatives));
}

}  // namespace

void bind_search(py::module_& m) {
    const BeamOptions beam;
    py::class_<BeamOptions>(m, "BeamOptions")
        .def(py::init(&beam_options), "strategy"_a, "size"_a = beam.size, "pruning_mode"_a = "late",
             "blank_lm_score_mode"_a = "lm_weighted_full", "score_norm"_a = beam.score_norm,
             "maes_num_steps"_a = beam.maes_num_steps,
             "maes_expansion_beta"_a = beam.maes_expansion_beta,
             "maes_expansion_gamma"_a = beam.maes_expansion_gamma, "beam_beta"_a = beam.beam_beta,
             "beam_threshold"_a = beam.beam_threshold)
        .def_property_readonly("strategy",
                               [](const BeamOptions& beam) { return name_of(beam.strategy); })
        .def_readonly("size", &BeamOptions::size)
        .def_property_readonly_static(
            "MOST_HYPOTHESES", [](const py::object&) { return BeamOptions::kMostHypotheses; });
    py::class_<SearchOptions>(m, "SearchOptions")
        .def(py::init(&options), "max_symbols"_a, "process"_a = py::none(), "scorer"_a = nullptr,
             "beam"_a = BeamOptions{});
    py::class_<BoundSearch>(m, "Search")
        .def(py::init(&search), "model"_a, "head"_a, "options"_a)
        .def_static("of_log_probs", &search_log_probs, "labels"_a, "scorer"_a = py::none())
        .def("feed", &BoundSearch::feed, "encoded"_a)
        .def("finish", &BoundSearch::finish)
        .def("copy", &BoundSearch::copy)
        .def("alternatives", &BoundSearch::alternatives)
        .def_property_readonly("revises", &BoundSearch::revises);
    m.attr("STRATEGIES") = strategies();
    m.def("feed_streams", &BoundSearch::feed_streams, "streams"_a, "searches"_a, "samples"_a);
    m.def("recognise", &recognised, "model"_a, "samples"_a, "left"_a, "right"_a, "head"_a,
          "options"_a, "prompt"_a = 0);
}

}  // namespace parrotlet
