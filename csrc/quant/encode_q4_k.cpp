// q4_k and q5_k: parts of 32 values, value = scale * quant - min. Scales and minimums of the eight
// parts are six-bit multiples of one scale and one minimum of the block.

#include <algorithm>
#include <limits>

#include "quant/blocks.h"
#include "quant/encoding.h"

namespace parrotlet {

namespace {

constexpr size_t kPart = 32;
constexpr size_t kParts = kSuperBlockSize / kPart;
constexpr int kTopMultiple = 63;

/// value = scale * quant - min
struct Line {
    float scale = 0, min = 0;
};

/// The values of a part, their sum and their sum of squares.
struct Part {
    const float* values;
    float x = 0, xx = 0;

    explicit Part(const float* v) : values(v) {
        for (size_t i = 0; i < kPart; i++) {
            x += v[i];
            xx += v[i] * v[i];
        }
    }
};

int quant_of(float value, Line line, float inverse, int top) {
    return round_clamped((value + line.min) * inverse, top);
}

/// Sums over a part of the quants nearest to a line, of their squares, and of quant times value.
struct Sums {
    float q = 0, qq = 0, qx = 0;

    Sums(const Part& part, Line line, int top) {
        const float* x = part.values;
        const float inverse = inverse_or_zero(line.scale);
        float q_sum = 0, qq_sum = 0, qx_sum = 0;
#pragma omp simd reduction(+ : q_sum, qq_sum, qx_sum)
        for (size_t i = 0; i < kPart; i++) {
            const auto quant = static_cast<float>(quant_of(x[i], line, inverse, top));
            q_sum += quant;
            qq_sum += quant * quant;
            qx_sum += quant * x[i];
        }
        q = q_sum, qq = qq_sum, qx = qx_sum;
    }

    /// Squared error of these quants on a line.
    double error(const Part& part, Line line) const {
        const double s = line.scale, m = line.min;
        return part.xx + s * (s * qq - 2.0 * qx - 2.0 * m * q) + m * (2.0 * part.x + m * kPart);
    }

    /// The line with the least squared error among those whose minimum is not negative.
    Line best_line(const Part& part) const {
        const double n = kPart;
        const double spread = n * qq - double(q) * q;
        if (spread > 0) {
            const double scale = (n * qx - double(q) * part.x) / spread;
            const double min = (scale * q - part.x) / n;
            if (min >= 0) return {static_cast<float>(scale), static_cast<float>(min)};
        }
        return {qq > 0 ? qx / qq : 0.0f, 0.0f};
    }

    /// The best minimum with a given scale.
    float best_min(const Part& part, float scale) const { return (scale * q - part.x) / kPart; }
};

/// The line with the least error found from all starts.
Line fit(const Part& part, int top) {
    const auto [low, high] = std::minmax_element(part.values, part.values + kPart);
    const float min = std::max(-*low, 0.0f), range = *high + min;
    Line best{0, min};
    if (range < kNegligible) return best;
    double least = std::numeric_limits<double>::infinity();
    const auto improve = [&](Line from) {
        const Sums sums(part, from, top);
        const Line line = sums.best_line(part);
        const double error = sums.error(part, line);
        if (error >= least) return false;
        least = error;
        best = line;
        return true;
    };
    for (int i = 0; i < kStarts; i++) improve({range / (top + kFirstLevels + kLevelStep * i), min});
    if (improve(best)) improve(best);
    return best;
}

/// A block before its bits are packed.
struct Block {
    uint16_t scale, min;  // halves
    uint8_t scales[kParts], mins[kParts];
    uint8_t quants[kSuperBlockSize];
};

int nearest_multiple(float value, float unit) {
    return unit > 0 ? round_clamped(value / unit, kTopMultiple) : 0;
}

/// Chooses the multiples of `unit` that part `p` of the block has, and its quants.
void encode_part(const Part& part, Line fitted, Line unit, int top, size_t p, Block& block) {
    const int near = nearest_multiple(fitted.scale, unit.scale);
    double least = std::numeric_limits<double>::infinity();
    Line best;
    for (int scale = std::max(0, near - kMultiples);
         scale <= std::min(kTopMultiple, near + kMultiples); scale++) {
        int min = nearest_multiple(fitted.min, unit.min);
        for (int turn = 0; turn < 2; turn++) {
            const Line line{unit.scale * scale, unit.min * min};
            const Sums sums(part, line, top);
            const double error = sums.error(part, line);
            if (error < least) {
                least = error;
                best = line;
                block.scales[p] = static_cast<uint8_t>(scale);
                block.mins[p] = static_cast<uint8_t>(min);
            }
            min = nearest_multiple(sums.best_min(part, line.scale), unit.min);
        }
    }
    const float inverse = inverse_or_zero(best.scale);
    for (size_t i = 0; i < kPart; i++)
        block.quants[p * kPart + i] =
            static_cast<uint8_t>(quant_of(part.values[i], best, inverse, top));
}

/// Quants from 0 to `top`.
Block encode(const float* values, int top) {
    Line lines[kParts], largest;
    for (size_t p = 0; p < kParts; p++) {
        lines[p] = fit(Part(values + p * kPart), top);
        largest.scale = std::max(largest.scale, lines[p].scale);
        largest.min = std::max(largest.min, lines[p].min);
    }
    Block block{};
    block.scale = half_of_unit(largest.scale / kTopMultiple);
    block.min = half_of_unit(largest.min / kTopMultiple);
    const Line unit{half_to_float(block.scale), half_to_float(block.min)};
    for (size_t p = 0; p < kParts; p++)
        encode_part(Part(values + p * kPart), lines[p], unit, top, p, block);
    return block;
}

void pack_scales_and_mins(const Block& block, uint8_t (&packed)[12]) {
    for (size_t p = 0; p < 4; p++) {
        const unsigned scale = block.scales[p + 4], min = block.mins[p + 4];
        packed[p] = static_cast<uint8_t>(block.scales[p] | scale >> 4 << 6);
        packed[p + 4] = static_cast<uint8_t>(block.mins[p] | min >> 4 << 6);
        packed[p + 8] = static_cast<uint8_t>((scale & 15u) | (min & 15u) << 4);
    }
}

void pack_nibbles(const Block& block, uint8_t (&packed)[kSuperBlockSize / 2]) {
    for (size_t p = 0; p < kParts; p += 2)
        for (size_t i = 0; i < kPart; i++) {
            const unsigned low = block.quants[p * kPart + i] & 15u;
            const unsigned high = block.quants[(p + 1) * kPart + i] & 15u;
            packed[p / 2 * kPart + i] = static_cast<uint8_t>(low | high << 4);
        }
}

}  // namespace

BlockQ4_K encode_q4_k(const float* values) {
    const Block block = encode(values, 15);
    BlockQ4_K out{};
    out.scale = block.scale;
    out.min = block.min;
    pack_scales_and_mins(block, out.scales_and_mins);
    pack_nibbles(block, out.quants);
    return out;
}

BlockQ5_K encode_q5_k(const float* values) {
    const Block block = encode(values, 31);
    BlockQ5_K out{};
    out.scale = block.scale;
    out.min = block.min;
    pack_scales_and_mins(block, out.scales_and_mins);
    pack_nibbles(block, out.quants);
    for (size_t p = 0; p < kParts; p++)
        for (size_t i = 0; i < kPart; i++)
            out.high_bits[i] |= static_cast<uint8_t>(block.quants[p * kPart + i] >> 4 << p);
    return out;
}

}  // namespace parrotlet
