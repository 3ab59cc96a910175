#include "quant/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/encoding.h"
#include "quant/half.h"
#include "quant/integer_block.h"

namespace parrotlet {

namespace {

void encode_f16(std::span<const float> values, std::byte* out) {
    for (float value : values) {
        const uint16_t half = float_to_half(value);
        std::memcpy(out, &half, sizeof half);
        out += sizeof half;
    }
}

void decode_f16(const std::byte* row, std::span<float> out) {
    for (float& value : out) {
        uint16_t half;
        std::memcpy(&half, row, sizeof half);
        value = half_to_float(half);
        row += sizeof half;
    }
}

template <typename Block>
void encode_blocks(TensorType type, Block (*encode)(const float*), std::span<const float> values,
                   std::byte* out) {
    for (size_t i = 0; i < values.size(); i += block_layout(type).elements, out += sizeof(Block)) {
        const Block block = encode(values.data() + i);
        std::memcpy(out, &block, sizeof block);
    }
}

/// What is taken from an unsigned quant in types without a minimum.
float zero_of(TensorType type) {
    switch (type) {
        case TensorType::q8_0: return 128;
        case TensorType::q6_k: return 32;
        case TensorType::q4_0: return 8;
        default: return 0;
    }
}

/// Subtracts before it multiplies where a format has no minimum, as GGML does: the product of a
/// scale and the zero would be rounded.
void decode_blocks(TensorType type, const std::byte* row, std::span<float> out) {
    constexpr size_t kSize = IntegerBlock::kSize;
    const float zero = zero_of(type);
    for (size_t i = 0; i < out.size(); i += kSize) {
        const IntegerBlock block = integer_block(type, row, i / kSize);
        for (size_t j = 0; j < kSize; j++) {
            const size_t part = j / (kSize / 2);
            const float min = zero != 0 ? 0.0f : block.mins[part];
            const float product = block.scales[part] * (block.quants[j] - zero);
            out[i + j] = product - min;
        }
    }
}

}  // namespace

/// The largest magnitude maps to 127; quants round half away from zero.
BlockQ8_0 encode_q8_0(const float* values) {
    float largest = 0.0f;
    for (size_t i = 0; i < kQ8BlockSize; i++) largest = std::max(largest, std::fabs(values[i]));
    const float scale = largest / 127.0f;
    const float inverse = inverse_or_zero(scale);
    BlockQ8_0 block;
    block.scale = float_to_half(scale);
    for (size_t i = 0; i < kQ8BlockSize; i++)
        block.quants[i] = static_cast<int8_t>(std::round(values[i] * inverse));
    return block;
}

/// The value with the largest magnitude maps to -8, the first of several.
BlockQ4_0 encode_q4_0(const float* values) {
    float peak = 0.0f;
    for (size_t i = 0; i < kQ8BlockSize; i++)
        if (std::fabs(values[i]) > std::fabs(peak)) peak = values[i];
    const float scale = peak / -8.0f;
    const float inverse = inverse_or_zero(scale);
    BlockQ4_0 block;
    block.scale = float_to_half(scale);
    const auto quant = [&](size_t i) {
        return static_cast<unsigned>(std::min(static_cast<int>(values[i] * inverse + 8.5f), 15));
    };
    for (size_t i = 0; i < kQ8BlockSize / 2; i++)
        block.quants[i] = static_cast<uint8_t>(quant(i) | quant(i + kQ8BlockSize / 2) << 4);
    return block;
}

void encode_row(TensorType type, std::span<const float> values, std::byte* out) {
    switch (type) {
        case TensorType::f32: std::memcpy(out, values.data(), values.size_bytes()); return;
        case TensorType::f16: return encode_f16(values, out);
        case TensorType::q8_0: return encode_blocks(type, encode_q8_0, values, out);
        case TensorType::q6_k: return encode_blocks(type, encode_q6_k, values, out);
        case TensorType::q5_k: return encode_blocks(type, encode_q5_k, values, out);
        case TensorType::q4_k: return encode_blocks(type, encode_q4_k, values, out);
        case TensorType::q4_0: return encode_blocks(type, encode_q4_0, values, out);
    }
}

void decode_row(TensorType type, const std::byte* row, std::span<float> out) {
    switch (type) {
        case TensorType::f32: std::memcpy(out.data(), row, out.size_bytes()); return;
        case TensorType::f16: return decode_f16(row, out);
        default: return decode_blocks(type, row, out);
    }
}

}  // namespace parrotlet
