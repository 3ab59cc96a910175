// One value at a time, in plain C++: the definition of every operation of `Simd`.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

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
    /// kWidth values, rounded to the nearest integers, as bytes; all lie in [-127.5, 127.5].
    static void store_bytes(int8_t* p, F v) { *p = static_cast<int8_t>(std::nearbyint(v)); }

    /// The sum of N bytes, 16 or 32.
    template <int N>
    static int32_t sum_bytes(const int8_t* p) {
        int32_t sum = 0;
        for (int i = 0; i < N; i++) sum += p[i];
        return sum;
    }

    /// Sums of products of unsigned weights and signed activations, both bytes, per column.
    struct WideDot {
        using Sum = I;
        /// Four activations of one row.
        struct Quad {
            int8_t values[4];
        };
        static Quad make_quad(const int8_t* q) { return {{q[0], q[1], q[2], q[3]}}; }

        /// Four weights of each of kWidth columns: [column][4] bytes, or nibbles of them.
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

        static Sum start(int32_t v) { return v; }
        static Sum add(Sum sum, const Weights& w, const Quad* a) {
            for (int i = 0; i < 4; i++) sum += w.values[i] * a->values[i];
            return sum;
        }
        static I finish(Sum sum) { return sum; }
    };
    /// The same for weights below 16 and at most 32 of them: the sums fit into 16 bits.
    using NarrowDot = WideDot;
};

}  // namespace
