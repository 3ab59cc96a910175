// Encoding and decoding rows of values in the block formats of GGUF. Plain scalar code: the
// definition of each format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/types.h"

namespace parrotlet {

/// Values that share one scale in q8_0 and q4_0, and one pair of scale and minimum in q4_k and
/// q5_k.
constexpr size_t kQ8BlockSize = 32;

/// Values of a q4_k, q5_k or q6_k block.
constexpr size_t kSuperBlockSize = 256;

/// GGML's block_q8_0: value = scale * quant.
struct BlockQ8_0 {
    uint16_t scale;  ///< a half, as every `scale` and `min` below
    int8_t quants[kQ8BlockSize];
};
static_assert(sizeof(BlockQ8_0) == 34);

/// GGML's block_q4_0: value = scale * (quant - 8). The second half of the block is in the high
/// nibbles.
struct BlockQ4_0 {
    uint16_t scale;
    uint8_t quants[kQ8BlockSize / 2];
};
static_assert(sizeof(BlockQ4_0) == 18);

/// GGML's block_q4_K: value = scale * scales[part] * quant - min * mins[part] in parts of 32. The
/// eight pairs of 6 bits are packed into `scales_and_mins`; each 32 bytes of quants hold two parts,
/// the second in the high nibbles.
struct BlockQ4_K {
    uint16_t scale, min;
    uint8_t scales_and_mins[12];
    uint8_t quants[kSuperBlockSize / 2];
};
static_assert(sizeof(BlockQ4_K) == 144);

/// GGML's block_q5_K: as q4_k, the fifth bit of value i of part p being bit p of high_bits[i].
struct BlockQ5_K {
    uint16_t scale, min;
    uint8_t scales_and_mins[12];
    uint8_t high_bits[kSuperBlockSize / 8];
    uint8_t quants[kSuperBlockSize / 2];
};
static_assert(sizeof(BlockQ5_K) == 176);

/// GGML's block_q6_K: value = scale * scales[part] * (quant - 32) in parts of 16. Each half of the
/// block interleaves four runs of 32 values: runs 0 and 2 share the first 32 bytes of low nibbles,
/// 1 and 3 the second, and run r has bits 2 r and 2 r + 1 of the high bits.
struct BlockQ6_K {
    uint8_t quants[kSuperBlockSize / 2];
    uint8_t high_bits[kSuperBlockSize / 4];
    int8_t scales[kSuperBlockSize / 16];
    uint16_t scale;
};
static_assert(sizeof(BlockQ6_K) == 210);

/// Encode one block of values. q8_0 and q4_0 have the scale and the rounding of GGML's reference;
/// the others search for the scales with the least squared error.
BlockQ8_0 encode_q8_0(const float* values);
BlockQ4_0 encode_q4_0(const float* values);
BlockQ4_K encode_q4_k(const float* values);
BlockQ5_K encode_q5_k(const float* values);
BlockQ6_K encode_q6_k(const float* values);

/// Encodes one row. `values.size()` must divide into whole blocks; `out` must hold
/// row_bytes(type, values.size()) bytes. Values must be finite, and for other types than f32 at
/// most 65504, the largest half.
void encode_row(TensorType type, std::span<const float> values, std::byte* out);

/// Decodes one row of `out.size()` values.
void decode_row(TensorType type, const std::byte* row, std::span<float> out);

}  // namespace parrotlet
