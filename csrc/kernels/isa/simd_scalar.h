// One value at a time, in plain C++: the definition of every operation of `Simd`.
#pragma once

#define PARROTLET_SIMD  // see simd.h

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/panels.h"
#include "quant/half.h"

namespace {

struct Simd {
    static constexpr int kWidth = 1;
    // Register tiles of the matrix products: rows, and panels of 16 columns, held at once.
    static constexpr int kRowsF32 = 4, kPanelsF32 = 1;
    static constexpr int kRowsQ8 = 4, kPanelsQ8 = 1;

    using F = float;
    using I = int32_t;

    static F zero() { return 0.0f; }
    static F set(float v) { return v; }
    static F load(const float* p) { return *p; }
    static void store(float* p, F v) { *p = v; }
    static F load_n(const float* p, int) { return *p; }  // n is 1: nothing is narrower
    static void store_n(float* p, F v, int) { *p = v; }
    static F load_half(const uint16_t* p) { return parrotlet::half_to_float(*p); }
    static void store_half(uint16_t* p, F v) { *p = parrotlet::float_to_half(v); }

    /// Writes a block of each column of a panel, kBlock quants of kPanel columns, to where
    /// quant_offset() says. They are multiplied with the column's factor, of 16 bits, in units of
    /// 2^-15, and rounded, ties up; the results, of 127 at most, are offset by 128.
    static void pack_block(const int8_t* const* quants, const int32_t* factors, uint8_t* out) {
        for (int c = 0; c < parrotlet::kPanel; c++) {
            const auto factor = static_cast<int16_t>(factors[c]);  // quicker products
            uint8_t column[parrotlet::kBlock];
            for (int i = 0; i < parrotlet::kBlock; i++) {
                const int scaled = (quants[c][i] * factor + (1 << 14)) >> 15;
                column[i] = static_cast<uint8_t>((scaled > 127 ? 127 : scaled) + 128);
            }
            for (int i = 0; i < parrotlet::kBlock; i += 4)
                std::memcpy(out + parrotlet::quant_offset(i, c), column + i, 4);
        }
    }

    static F add(F a, F b) { return a + b; }
    static F sub(F a, F b) { return a - b; }
    static F mul(F a, F b) { return a * b; }
    static F div(F a, F b) { return a / b; }
    static F max(F a, F b) { return a > b ? a : b; }
    static F min(F a, F b) { return a < b ? a : b; }
    static F abs(F a) { return std::fabs(a); }
    static F fma(F a, F b, F c) { return a * b + c; }
    static F negative_fma(F a, F b, F c) { return c - a * b; }
    static F round(F a) { return std::nearbyint(a); }
    /// 2^n for an integral n in [-126, 127].
    static F exp2_int(F n) { return std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23); }
    static float sum(F a) { return a; }
    static float largest(F a) { return a; }

    static F to_float(I v) { return static_cast<float>(v); }
    /// kWidth values, rounded to the nearest integers, as bytes. NaN, and what lies outside
    /// [-127.5, 127.5], which only a NaN beside it lets happen, becomes some byte or other.
    static void store_bytes(int8_t* p, F v) {
        *p = std::fabs(v) < 127.5f ? static_cast<int8_t>(std::nearbyint(v)) : int8_t{0};
    }

    /// The sum of N bytes: 16, or a multiple of 32.
    template <int N>
    static int32_t sum_bytes(const int8_t* p) {
        int32_t sum = 0;
        for (int i = 0; i < N; i++) sum += p[i];
        return sum;
    }

    /// Sums of products of unsigned weights and signed activations, both bytes, for kRows rows and
    /// kWidth columns. One step takes kDepth consecutive values of each, 4 or 8.
    struct WideDot {
        static constexpr int kRows = 1, kDepth = 4;
        using Sum = I;
        /// kDepth activations of one row.
        struct Values {
            int8_t values[4];
        };
        static Values make_values(const int8_t* q) { return {{q[0], q[1], q[2], q[3]}}; }

        /// kDepth weights of each of kWidth columns: bytes, or nibbles of them, as QuantPanel has
        /// them. The first four of each column are at p, the next four 4 * kPanel bytes on.
        struct Weights {
            uint8_t values[4];
        };
        static Weights load(const uint8_t* p) { return {{p[0], p[1], p[2], p[3]}}; }
        static Weights load_low(const uint8_t* p) {
            return {
                {uint8_t(p[0] & 15), uint8_t(p[1] & 15), uint8_t(p[2] & 15), uint8_t(p[3] & 15)}};
        }
        static Weights load_high(const uint8_t* p) {
            return {
                {uint8_t(p[0] >> 4), uint8_t(p[1] >> 4), uint8_t(p[2] >> 4), uint8_t(p[3] >> 4)}};
        }

        static Sum zero() { return 0; }
        /// Sums that start at what undoes an offset of the weights by 128, one value per row.
        static Sum start(const int32_t* corrections) { return *corrections; }
        /// Adds the first `rows` rows of `a`; sums of others are of no interest.
        static Sum add(Sum sum, const Weights& w, const Values* a, int rows) {
            static_cast<void>(rows);
            for (int i = 0; i < 4; i++) sum += w.values[i] * a->values[i];
            return sum;
        }
        /// The sums of one row.
        static I finish(const Sum& sum, int row) {
            static_cast<void>(row);
            return sum;
        }
    };
    /// The same for weights that are offset by 128.
    using OffsetDot = WideDot;
    /// The same for weights below 16 and at most 32 of them: the sums fit into 16 bits.
    using NarrowDot = WideDot;
};

}  // namespace
