// Encoding and decoding rows of values in the block formats of GGUF. Plain scalar code: the
// definition of each format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/types.h"

namespace parrotlet {

/// Values that share one scale in q8_0.
constexpr size_t kQ8BlockSize = 32;

/// GGML's block_q8_0: 32 signed bytes and their scale as a half; value = scale * quant.
struct BlockQ8_0 {
    uint16_t scale;
    int8_t quants[kQ8BlockSize];
};
static_assert(sizeof(BlockQ8_0) == 34);

/// Encodes one row. `values.size()` must divide into whole blocks; `out` must hold
/// row_bytes(type, values.size()) bytes.
void encode_row(TensorType type, std::span<const float> values, std::byte* out);

/// Decodes one row of `out.size()` values.
void decode_row(TensorType type, const std::byte* row, std::span<float> out);

}  // namespace parrotlet
