// The quantised formats seen alike: 32 unsigned integers with scales and minimums, which is what
// the products multiply.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/types.h"

namespace parrotlet {

/// 32 consecutive values of a row: value[i] = scales[i / 16] * quants[i] - mins[i / 16].
struct IntegerBlock {
    static constexpr size_t kSize = 32;

    float scales[2], mins[2];
    uint8_t quants[kSize];
};

/// Unpacks values 32 `index` .. 32 `index` + 31 of a row. Not for f32 and f16.
IntegerBlock integer_block(TensorType type, const std::byte* row, size_t index);

}  // namespace parrotlet
