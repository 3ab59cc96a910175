// What the encoders of the block formats share, and how those of the k-types search for scales.
//
// A part of a block (16 or 32 values) is fitted in turns, as in Lloyd's algorithm: given a scale,
// the nearest quants; given quants, the scale with the least squared error, which is a linear
// regression. That ends in a local minimum, so it starts from several scales around the one that
// spreads the values over all quants. The block then has one scale in floating point, of which the
// parts have small multiples; each part takes the multiple near its own scale with the least error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "quant/half.h"

namespace parrotlet {

/// Start i spreads a part's values over kFirstLevels + i * kLevelStep more steps than there are
/// from the first quant to the last; where that is too many, the far end is clipped.
constexpr int kStarts = 12;
constexpr float kFirstLevels = -1.0f, kLevelStep = 0.2f;

/// Multiples tried to either side of the nearest one.
constexpr int kMultiples = 2;

/// Values below half of the smallest float16 are zero at any scale.
constexpr float kNegligible = 0x1p-25f;

/// The integer nearest to `value` from 0 to `top`. Clamped before it is converted: beside values
/// far larger than its part's own scale, a quotient can lie beyond every int.
inline int round_clamped(float value, int top) {
    return static_cast<int>(std::min(std::max(0.0f, value + 0.5f), static_cast<float>(top)));
}

/// 0 also for subnormal scales, whose inverse can overflow; as a half they are 0.
inline float inverse_or_zero(float scale) {
    return std::fabs(scale) >= std::numeric_limits<float>::min() ? 1.0f / scale : 0.0f;
}

/// The half of a block of which `value`, not negative, is to be the largest multiple: the nearest,
/// but the next above among subnormals, whose steps are too wide for the multiples to make up for.
inline uint16_t half_of_unit(float value) {
    const uint16_t half = float_to_half(value);
    const bool subnormal = half < 0x0400u;
    return static_cast<uint16_t>(subnormal && half_to_float(half) < value ? half + 1 : half);
}

}  // namespace parrotlet
