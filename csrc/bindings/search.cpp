// Searches as Python objects, and recordings to tokens in one call.

#include <pybind11/stl.h>

#include <mutex>

#include "bindings/arguments.h"
#include "bindings/bindings.h"
#include "decoding/greedy_ctc.h"
#include "decoding/recognise.h"
#include "decoding/registry.h"

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

const Head& require_head(const Model& model, const std::string& name) {
    if (const Head* head = model.heads().find(name)) return *head;
    throw py::value_error("the model has no head '" + name + "'");
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
                      const std::shared_ptr<TokenScorer>& scorer) {
    return {.max_symbols = max_symbols, .process = processor(process), .scorer = scorer};
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
            search_->finish();
            finished_ = true;
        });
        return rows(search_->settled());
    }

    bool revises() const { return search_->revises(); }

    std::unique_ptr<BoundSearch> copy() {
        std::unique_ptr<Search> search;
        const auto lock = locked([&] { search = search_->copy(); });
        return std::make_unique<BoundSearch>(executor_, std::move(search));
    }

  private:
    /// Runs body() without the GIL, and keeps other calls out as long as what it returns lives.
    template <typename Body>
    std::unique_lock<std::mutex> locked(Body body) {
        py::gil_scoped_release release;
        std::unique_lock lock(mutex_);
        if (finished_) throw py::value_error("the search is finished; start another one");
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
    const Head& head = require_head(*model, name);
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

py::list recognised(const Model& model, const FloatArray& samples, int left, int right,
                    const std::string& name, const SearchOptions& options) {
    const std::span<const float> in = checked_samples(samples);
    if (model.frontend().frames(in.size()) == 0) throw py::value_error("samples have no frames");
    const AttentionContext attention = checked_attention(left, right);
    const Head& head = require_head(model, name);
    std::vector<Emission> tokens;
    {
        py::gil_scoped_release release;
        tokens = recognise(model, in, attention, head, options);
    }
    return rows(tokens);
}

}  // namespace

void bind_search(py::module_& m) {
    py::class_<SearchOptions>(m, "SearchOptions")
        .def(py::init(&options), "max_symbols"_a, "process"_a = py::none(),
             "scorer"_a = py::none());
    py::class_<BoundSearch>(m, "Search")
        .def(py::init(&search), "model"_a, "head"_a, "options"_a)
        .def_static("of_log_probs", &search_log_probs, "labels"_a, "scorer"_a = py::none())
        .def("feed", &BoundSearch::feed, "encoded"_a)
        .def("finish", &BoundSearch::finish)
        .def("copy", &BoundSearch::copy)
        .def_property_readonly("revises", &BoundSearch::revises);
    m.def("recognise", &recognised, "model"_a, "samples"_a, "left"_a, "right"_a, "head"_a,
          "options"_a);
}

}  // namespace parrotlet
