// parrotlet._core.sizes: what the runtime's buffers take, for planning memory without a model.

#include "bindings/bindings.h"
#include "bindings/types.h"
#include "kernels/dispatch.h"
#include "models/acoustic_stream.h"
#include "models/conformer/stream.h"
#include "models/lmu/encoder.h"

namespace py = pybind11;

namespace parrotlet {

namespace {

using namespace pybind11::literals;

const AttentionKernel& attention_kernel(bool quantised) {
    const KernelTable& kernels = default_table();
    return quantised ? kernels.attention_q8 : kernels.attention_f32;
}

size_t packed_rows(const std::string& type, size_t rows, int columns) {
    const GemmKernel& gemm = gemm_kernel(default_table(), type_named(type));
    return (rows + gemm.rows_per_group - 1) / gemm.rows_per_group * gemm.group_bytes(columns);
}

}  // namespace

void bind_sizes(py::module_& module) {
    py::module_ m =
        module.def_submodule("sizes", "Bytes of the runtime's buffers, and its block sizes.");
    m.def(
        "packed_matrix",
        [](const std::string& type, int rows, int columns) {
            return packed_bytes(type_named(type), rows, columns);
        },
        "type"_a, "rows"_a, "columns"_a);
    m.def("packed_rows", packed_rows, "type"_a, "rows"_a, "columns"_a);
    m.def(
        "rows_per_group",
        [](const std::string& type) {
            return gemm_kernel(default_table(), type_named(type)).rows_per_group;
        },
        "type"_a);
    m.def(
        "keys",
        [](bool quantised, int rows, int d) {
            return attention_kernel(quantised).key_bytes(rows, d);
        },
        "quantised"_a, "rows"_a, "d_head"_a);
    m.def(
        "values",
        [](bool quantised, int rows, int d) {
            return attention_kernel(quantised).value_bytes(rows, d);
        },
        "quantised"_a, "rows"_a, "d_head"_a);
    m.def(
        "attention_scratch",
        [](bool quantised, int keys, int d) {
            return attention_kernel(quantised).scratch_bytes(d, keys);
        },
        "quantised"_a, "keys"_a, "d_head"_a);
    m.def(
        "key_value_cache",
        [](int heads, int d_head, int frames) {
            return sizeof(float) * KeyValueCache::floats(heads, d_head, frames);
        },
        "heads"_a, "d_head"_a, "capacity"_a);
    m.attr("ARENA_ALIGNMENT") = kAlignment;
    m.attr("ARENA_BLOCK") = Arena::kMinimumBlock;
    m.attr("CACHE_SLACK") = kCacheSlack;
    m.attr("FEED_FORWARD_FRAMES") = kFeedForwardFrames;
    m.attr("MEL_TASK_FRAMES") = kMelTaskFrames;
    m.attr("MOST_POSITION_BYTES") = PositionCache::kMostBytes;
    m.attr("POSITION_SLACK") = kPositionSlack;
    m.attr("RECURRENT_FRAMES") = kRecurrentFrames;
    m.attr("REVISED_FRAMES") = kRevisedFrames;
    m.attr("SPAN") = kSpan;
    m.attr("SUBSAMPLING_BLOCK") = kSubsamplingBlock;
    m.attr("SUBSAMPLING_CHUNK") = kSubsamplingChunk;
    m.attr("UNLIMITED_LEFT") = kUnlimitedLeft;
}

}  // namespace parrotlet
