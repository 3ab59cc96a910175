// Any values that a type holds encoded as that type, and any bytes decoded as one.

#include "quant/blocks.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace {

using namespace parrotlet;

void decode_bytes(TensorType type, const uint8_t* data, size_t size) {
    const BlockLayout layout = block_layout(type);
    const size_t blocks = size / layout.bytes;
    if (blocks == 0) return;
    std::vector<float> values(blocks * layout.elements);
    const std::vector<uint8_t> copy(data, data + blocks * layout.bytes);
    decode_row(type, reinterpret_cast<const std::byte*>(copy.data()), values);
}

void encode_floats(TensorType type, const uint8_t* data, size_t size) {
    const BlockLayout layout = block_layout(type);
    // A few floats repeated over the block, so that small inputs say something.
    std::vector<float> given(size / sizeof(float));
    if (given.empty()) return;
    std::memcpy(given.data(), data, given.size() * sizeof(float));
    for (float& value : given)
        if (!(std::fabs(value) <= 65504.0f)) value = 65504.0f;
    const size_t blocks = (given.size() + layout.elements - 1) / layout.elements;
    std::vector<float> values(blocks * layout.elements);
    for (size_t i = 0; i < values.size(); i++) values[i] = given[i % given.size()];
    std::vector<std::byte> encoded(row_bytes(type, values.size()));
    encode_row(type, values, encoded.data());
    decode_row(type, encoded.data(), values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const auto types = tensor_types();
    const TensorType type = types[data[0] % std::size(types)];
    (data[1] % 2 == 0 ? decode_bytes : encode_floats)(type, data + 2, size - 2);
    return 0;
}
