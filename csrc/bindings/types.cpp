// Tensor types and instruction sets.

#include "bindings/types.h"

#include <algorithm>
#include <cmath>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "kernels/dispatch.h"
#include "quant/blocks.h"
#include "runtime/heap.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

constexpr float kMaxHalf = 65504;

py::array_t<uint8_t> quantize(const FloatArray& values, const std::string& type_name) {
    const TensorType type = type_named(type_name);
    require_rank(values, 2, "array");
    const size_t rows = values.shape(0), columns = values.shape(1);
    const BlockLayout layout = block_layout(type);
    if (columns % layout.elements != 0)
        throw py::value_error("rows of " + std::to_string(columns) +
                              " values do not divide into blocks of " +
                              std::to_string(layout.elements) + " (" + type_name + ")");
    const size_t stride = row_bytes(type, columns);
    py::array_t<uint8_t> result({rows, stride});
    auto* out = reinterpret_cast<std::byte*>(result.mutable_data());
    const float* in = values.data();
    py::gil_scoped_release release;
    const auto storable = [](float value) { return std::fabs(value) <= kMaxHalf; };
    if (layout.elements > 1 && !std::all_of(in, in + rows * columns, storable))
        throw py::value_error("a value is not finite or too large for " + type_name);
    for (size_t r = 0; r < rows; r++)
        encode_row(type, {in + r * columns, columns}, out + r * stride);
    return result;
}

py::array_t<float> dequantize(const ByteArray& data, const std::string& type_name, size_t columns) {
    const TensorType type = type_named(type_name);
    require_rank(data, 2, "data");
    const size_t rows = data.shape(0), stride = data.shape(1);
    if (columns % block_layout(type).elements != 0 || row_bytes(type, columns) != stride)
        throw py::value_error("rows of " + std::to_string(stride) + " bytes are not " +
                              std::to_string(columns) + " values of " + type_name);
    py::array_t<float> result({rows, columns});
    const auto* in = reinterpret_cast<const std::byte*>(data.data());
    for (size_t r = 0; r < rows; r++)
        decode_row(type, in + r * stride, {result.mutable_data() + r * columns, columns});
    return result;
}

}  // namespace

void bind_types(py::module_& m) {
    m.def("types", [] {
        py::list names;
        for (TensorType type : tensor_types()) names.append(py::str(block_layout(type).name));
        return names;
    });
    m.def(
        "block_layout",
        [](const std::string& type) {
            const BlockLayout layout = block_layout(type_named(type));
            return py::make_tuple(layout.elements, layout.bytes);
        },
        "type"_a);
    m.def("quantize", quantize, "array"_a, "type"_a);
    m.def("dequantize", dequantize, "data"_a, "type"_a, "cols"_a);
    m.def("return_large_blocks", return_large_blocks);
    m.def("give_back_heap", give_back_heap, pybind11::call_guard<pybind11::gil_scoped_release>());
    m.def("isa", [] { return default_table().isa; });
    m.def("available_isas", [] {
        py::list names;
        for (const KernelTable* table : available_tables()) names.append(table->isa);
        return names;
    });
}

}  // namespace parrotlet
