// q6_k: parts of 16 values, value = scale * quant with quants from -32 to 31. The scales of the
// sixteen parts are signed bytes, multiples of one scale of the block.

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/blocks.h"
#include "quant/encoding.h"

namespace parrotlet {

namespace {

constexpr size_t kPart = 16;
constexpr size_t kParts = kSuperBlockSize / kPart;
constexpr int kZero = 32;  // what stands for 0
constexpr int kTop = 63;
constexpr int kLeastMultiple = -128, kTopMultiple = 127;

/// The quant of a value as it is stored.
int quant_of(float value, float inverse) { return round_clamped(value * inverse + kZero, kTop); }

/// Sums over a part of the squares of the quants nearest at a scale, and of quant times value.
struct Sums {
    float qq = 0, qx = 0;

    Sums(const float* x, float scale) {
        const float inverse = inverse_or_zero(scale);
        float qq_sum = 0, qx_sum = 0;
#pragma omp simd reduction(+ : qq_sum, qx_sum)
        for (size_t i = 0; i < kPart; i++) {
            const auto quant = static_cast<float>(quant_of(x[i], inverse) - kZero);
            qq_sum += quant * quant;
            qx_sum += quant * x[i];
        }
        qq = qq_sum, qx = qx_sum;
    }

    /// Squared error of these quants at a scale, less the values' own sum of squares.
    double error(float scale) const { return scale * (double(scale) * qq - 2.0 * qx); }

    /// The scale with the least squared error.
    float best_scale() const { return qq > 0 ? qx / qq : 0.0f; }
};

/// The value with the largest magnitude.
template <size_t N>
float peak_of(const float (&values)[N]) {
    return *std::max_element(values, values + N,
                             [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

/// The scale with the least error found from all starts. Quants reach further below zero, so the
/// value with the largest magnitude goes there.
float fit(const float (&x)[kPart]) {
    const float peak = peak_of(x);
    float best = 0;
    if (std::fabs(peak) < kNegligible) return best;
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kStarts; i++) {
        const Sums sums(x, peak / -(kZero + kFirstLevels + kLevelStep * i));
        const float scale = sums.best_scale();
        const double error = sums.error(scale);
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

/// The multiple of `unit` near `fitted` with the least error.
int best_multiple(const float* x, float fitted, float unit) {
    if (unit == 0) return 0;
    const int near = static_cast<int>(std::round(fitted / unit));
    int best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (int multiple = std::max(kLeastMultiple, near - kMultiples);
         multiple <= std::min(kTopMultiple, near + kMultiples); multiple++) {
        const float scale = unit * static_cast<float>(multiple);
        const double error = Sums(x, scale).error(scale);
        if (error < least) {
            least = error;
            best = multiple;
        }
    }
    return best;
}

/// Puts the bits of value `i` of a block, whose fields are zero there, in their places.
void set_quant(BlockQ6_K& block, size_t i, unsigned quant) {
    const size_t half = i / 128, run = i / 32 % 4;
    block.quants[half * 64 + i % 64] |= static_cast<uint8_t>((quant & 15u) << (run / 2 * 4));
    block.high_bits[half * 32 + i % 32] |= static_cast<uint8_t>(quant >> 4 << (2 * run));
}

}  // namespace

BlockQ6_K encode_q6_k(const float* values) {
    float x[kParts][kPart];
    std::copy_n(values, kSuperBlockSize, &x[0][0]);
    float scales[kParts];
    for (size_t p = 0; p < kParts; p++) scales[p] = fit(x[p]);
    // The largest takes the multiple with the largest magnitude, which is negative.
    const float largest = peak_of(scales);
    BlockQ6_K block{};
    block.scale = half_of_unit(std::fabs(largest) / -kLeastMultiple);
    if (largest > 0) block.scale |= 0x8000u;
    const float unit = half_to_float(block.scale);
    for (size_t p = 0; p < kParts; p++) {
        const int multiple = best_multiple(x[p], scales[p], unit);
        block.scales[p] = static_cast<int8_t>(multiple);
        const float inverse = inverse_or_zero(unit * static_cast<float>(multiple));
        for (size_t i = 0; i < kPart; i++)
            set_quant(block, p * kPart + i, static_cast<unsigned>(quant_of(x[p][i], inverse)));
    }
    return block;
}

}  // namespace parrotlet
