// parrotlet._core.sizes: what the runtime takes, for planning memory without a model.

#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <tuple>

#include "bindings/arguments.h"
#include "bindings/bindings.h"
#include "bindings/types.h"
#include "decoding/planner.h"
#include "decoding/search.h"
#include "kernels/dispatch.h"
#include "models/acoustic_stream.h"
#include "models/conformer/stream.h"

namespace py = pybind11;

namespace parrotlet {

namespace {

using namespace pybind11::literals;

/// A metadata value stored as `kind`, such as "u32", "str" or "i32[]".
MetadataValue metadata_value(const std::string& kind, const py::handle& value) {
    if (kind.ends_with("[]")) {
        MetadataArray array{MetadataType::array, {}};
        for (const py::handle element : value)
            array.elements.push_back(metadata_value(kind.substr(0, kind.size() - 2), element));
        return {array};
    }
    if (kind == "str") return {value.cast<std::string>()};
    if (kind == "bool") return {value.cast<bool>()};
    if (kind == "f32" || kind == "f64") return {value.cast<double>()};
    if (kind.starts_with("u")) return {value.cast<uint64_t>()};
    return {value.cast<int64_t>()};
}

/// A planner together with what it plans for: a loaded model, or the parts of a described one.
class BoundPlanner {
  public:
    explicit BoundPlanner(const std::shared_ptr<const AcousticModel>& model)
        : model_(model),
          planner_(model->parts(), model->executor().kernels(), model->executor().threads()) {}

    BoundPlanner(const GgufFile& description, int threads)
        : parts_(describe(description)), planner_(*parts_, default_table(), threads) {}

    Planner& planner() { return planner_; }

    const Head& head(const std::string& name) const {
        return named_head(model_ ? model_->heads() : parts_->heads, name);
    }

  private:
    static std::unique_ptr<ModelParts> describe(const GgufFile& description) {
        ThreadPool pool(1);
        return std::make_unique<ModelParts>(load_parts(description, pool));
    }

    std::shared_ptr<const AcousticModel> model_;
    std::unique_ptr<ModelParts> parts_;
    Planner planner_;
};

using Entry = std::tuple<std::string, std::string, py::object>;
using TensorShape = std::tuple<std::string, std::vector<uint64_t>, std::string>;

std::unique_ptr<BoundPlanner> plan_described(const std::string& name,
                                             const std::string& architecture,
                                             const std::vector<Entry>& entries,
                                             const std::vector<TensorShape>& tensors, int threads) {
    std::map<std::string, MetadataValue> metadata;
    metadata.emplace("general.architecture", MetadataValue{architecture});
    for (const auto& [key, kind, value] : entries)
        metadata.emplace(key, metadata_value(kind, value));
    std::vector<TensorInfo> infos;
    for (const auto& [tensor, shape, type] : tensors) {
        TensorInfo info;
        info.name = tensor;
        info.ne.assign(shape.rbegin(), shape.rend());
        info.type = type_named(type);
        infos.push_back(std::move(info));
    }
    const GgufFile description(name, std::move(metadata), std::move(infos));
    py::gil_scoped_release release;
    return std::make_unique<BoundPlanner>(description, threads);
}

AttentionContext planned_context(int left, int right, int chunk = -1) {
    if (left > 1 << 20 || right > 1 << 20 || chunk > 1 << 20)
        throw py::value_error("an attention context to plan for has at most 2^20 frames");
    return checked_attention(left, right, chunk);
}

void bind_planner(py::module_& m) {
    py::class_<BoundPlanner>(m, "Planner")
        .def(py::init(&plan_described), "name"_a, "architecture"_a, "metadata"_a, "tensors"_a,
             "threads"_a)
        .def_static(
            "of",
            [](const std::shared_ptr<AcousticModel>& model) {
                return std::make_unique<BoundPlanner>(model);
            },
            "model"_a)
        .def_property_readonly("weight_bytes",
                               [](BoundPlanner& bound) { return bound.planner().weight_bytes(); })
        .def(
            "search_with",
            [](BoundPlanner& bound, const std::string& head, const BeamOptions& beam) {
                SearchOptions options;
                options.beam = beam;
                return bound.planner().search_with(bound.head(head), options);
            },
            "head"_a, "beam"_a)
        .def(
            "recording",
            [](BoundPlanner& bound, size_t samples, int left, int right, int chunk) {
                const auto found =
                    bound.planner().recording(samples, planned_context(left, right, chunk));
                return py::make_tuple(found.feature_frames, found.encoder_frames, found.kept_bytes);
            },
            "samples"_a, "left"_a, "right"_a, "chunk"_a = -1)
        .def(
            "streams",
            [](BoundPlanner& bound, int frames, int left, int right, int count) {
                if (count < 1 || count > 1 << 16)
                    throw py::value_error("streams to plan for are from 1 to 65536");
                bound.planner().streams(frames, planned_context(left, right), count);
            },
            "frames"_a, "left"_a, "right"_a, "count"_a = 1)
        .def(
            "stream_bytes",
            [](BoundPlanner& bound, int left, int right) {
                const StreamBytes bytes =
                    bound.planner().stream_bytes(planned_context(left, right));
                return py::make_tuple(bytes.keys_and_values, bytes.histories, bytes.positions);
            },
            "left"_a, "right"_a)
        .def(
            "scratch",
            [](BoundPlanner& bound, bool huge_pages) {
                const ScratchBytes bytes = bound.planner().scratch(huge_pages);
                return py::make_tuple(bytes.call, bytes.thread);
            },
            "huge_pages"_a);
}

}  // namespace

void bind_sizes(py::module_& module) {
    py::module_ m = module.def_submodule("sizes", "What the runtime takes, for planning memory.");
    bind_planner(m);
    m.attr("CACHE_SLACK") = kCacheSlack;
    m.attr("MOST_POSITION_BYTES") = PositionCache::kMostBytes;
    m.attr("POSITION_SLACK") = kPositionSlack;
    m.attr("REVISED_FRAMES") = kRevisedFrames;
    m.attr("SEARCH_FRAMES") = kSearchFrames;
}

}  // namespace parrotlet
