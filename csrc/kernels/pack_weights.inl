// kernels/pack_weights.h: most of the time of loading a model goes here.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/math.inl"
#include "kernels/pack_weights.h"
#include "quant/blocks.h"

namespace {

using parrotlet::BlockQ8_0;
using parrotlet::PanelQ8_0;

constexpr int kSpanBlocks = parrotlet::kSpan / parrotlet::kBlock;

inline void load_halves(const uint16_t* halves, float* out) {
    for (int c = 0; c < parrotlet::kPanel; c += kWidth)
        Simd::store(out + c, Simd::load_half(halves + c));
}

/// Scales of a span, halves [blocks][columns], to the largest of each column and what the quants of
/// each block are multiplied with. Factors are zero where the largest is zero or no number.
inline void span_scales(uint16_t (&halves)[kSpanBlocks][parrotlet::kPanel], float* largest,
                        int32_t (&factors)[kSpanBlocks][parrotlet::kPanel]) {
    using parrotlet::kPanel;
    constexpr uint16_t kInfinity = 0x7c00, kOne = 0x3c00;
    // Magnitudes of halves are ordered as their bits are, and what is no number is above infinity.
    uint16_t most[kPanel] = {}, usable[kPanel], divisors[kPanel];
    for (const auto& block : halves)
        for (int c = 0; c < kPanel; c++) {
            const auto magnitude = static_cast<uint16_t>(block[c] & 0x7fff);
            most[c] = magnitude > most[c] ? magnitude : most[c];
        }
    load_halves(most, largest);
    for (int c = 0; c < kPanel; c++) {
        // Signs as masks, which compilers make vectors of: below infinity, and not zero.
        const auto finite = static_cast<int16_t>(most[c] - kInfinity) >> 15;
        const auto not_zero = static_cast<int16_t>(-most[c]) >> 15;
        usable[c] = static_cast<uint16_t>(finite & not_zero);
        divisors[c] = static_cast<uint16_t>((most[c] & usable[c]) | (kOne & ~usable[c]));
    }
    float divisor[kPanel];
    load_halves(divisors, divisor);
    for (int b = 0; b < kSpanBlocks; b++) {
        for (int c = 0; c < kPanel; c++) halves[b][c] &= usable[c];
        float scale[kPanel];
        load_halves(halves[b], scale);
        for (int c = 0; c < kPanel; c++)
            factors[b][c] = static_cast<int32_t>(scale[c] / divisor[c] * 32767.0f);
    }
}

void pack_q8_0(const std::byte* const* rows, int blocks, PanelQ8_0* panel) {
    using namespace parrotlet;
    for (int first = 0; first < blocks; first += kSpanBlocks, panel++) {
        const int count = blocks - first < kSpanBlocks ? blocks - first : kSpanBlocks;
        // Where there is less than a span, or none, there are zeros.
        BlockQ8_0 partial[kPanel][kSpanBlocks];
        const BlockQ8_0* columns[kPanel];
        uint16_t halves[kSpanBlocks][kPanel];
        for (int c = 0; c < kPanel; c++) {
            const auto* row = reinterpret_cast<const BlockQ8_0*>(rows[c]);
            if (row != nullptr && count == kSpanBlocks) {
                columns[c] = row + first;
            } else {
                std::memset(partial[c], 0, sizeof partial[c]);
                if (row != nullptr) std::memcpy(partial[c], row + first, count * sizeof(BlockQ8_0));
                columns[c] = partial[c];
            }
            for (int b = 0; b < kSpanBlocks; b++) halves[b][c] = columns[c][b].scale;
        }
        int32_t factors[kSpanBlocks][kPanel];
        span_scales(halves, panel->scales[0], factors);
        for (int b = 0; b < kSpanBlocks; b++) {
            const int8_t* quants[kPanel];
            for (int c = 0; c < kPanel; c++) quants[c] = columns[c][b].quants;
            Simd::pack_block(quants, factors[b], panel->quants + quant_offset(b * kBlock, 0));
        }
    }
}

}  // namespace
