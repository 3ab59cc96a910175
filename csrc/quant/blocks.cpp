#include "quant/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/half.h"

namespace parrotlet {

namespace {

/// The largest magnitude maps to 127; quants round half away from zero, as GGML's reference does.
BlockQ8_0 encode_q8_0(const float* values) {
    float largest = 0.0f;
    for (size_t i = 0; i < kQ8BlockSize; i++) largest = std::max(largest, std::fabs(values[i]));
    const float scale = largest / 127.0f;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    BlockQ8_0 block;
    block.scale = float_to_half(scale);
    for (size_t i = 0; i < kQ8BlockSize; i++)
        block.quants[i] = static_cast<int8_t>(std::round(values[i] * inverse));
    return block;
}

}  // namespace

void encode_row(TensorType type, std::span<const float> values, std::byte* out) {
    switch (type) {
        case TensorType::f32: std::memcpy(out, values.data(), values.size_bytes()); return;
        case TensorType::f16:
            for (size_t i = 0; i < values.size(); i++) {
                const uint16_t half = float_to_half(values[i]);
                std::memcpy(out + 2 * i, &half, sizeof half);
            }
            return;
        case TensorType::q8_0:
            for (size_t i = 0; i < values.size(); i += kQ8BlockSize, out += sizeof(BlockQ8_0)) {
                const BlockQ8_0 block = encode_q8_0(values.data() + i);
                std::memcpy(out, &block, sizeof block);
            }
            return;
    }
}

void decode_row(TensorType type, const std::byte* row, std::span<float> out) {
    switch (type) {
        case TensorType::f32: std::memcpy(out.data(), row, out.size_bytes()); return;
        case TensorType::f16:
            for (size_t i = 0; i < out.size(); i++) {
                uint16_t half;
                std::memcpy(&half, row + 2 * i, sizeof half);
                out[i] = half_to_float(half);
            }
            return;
        case TensorType::q8_0:
            for (size_t i = 0; i < out.size(); i += kQ8BlockSize, row += sizeof(BlockQ8_0)) {
                BlockQ8_0 block;
                std::memcpy(&block, row, sizeof block);
                const float scale = half_to_float(block.scale);
                for (size_t j = 0; j < kQ8BlockSize; j++)
                    out[i + j] = scale * static_cast<float>(block.quants[j]);
            }
            return;
    }
}

}  // namespace parrotlet
