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
    static constexpr int kRowsQ8 = 4;

    using F = float;
    using I = int32_t;

    static F zero() { return 0.0f; }
    static F set(float v) { return v; }
    static F load(const float* p) { return *p; }
    static void store(float* p, F v) { *p = v; }
    static F load_n(const float* p, int) { return *p; }  // n is 1: nothing is narrower
    static void store_n(float* p, F v, int) { *p = v; }
    static F load_half(const uint16_t* p) { return parrotlet::half_to_float(*p); }

    static F add(F a, F b) { return a + b; }
    static F sub(F a, F b) { return a - b; }
    static F mul(F a, F b) { return a * b; }
    static F div(F a, F b) { return a / b; }
    static F max(F a, F b) { return a > b ? a : b; }
    static F min(F a, F b) { return a < b ? a : b; }
    static F abs(F a) { return std::fabs(a); }
    static F fma(F a, F b, F c) { return a * b + c; }
    static F round(F a) { return std::nearbyint(a); }
    /// 2^n for an integral n in [-126, 127].
    static F exp2_int(F n) { return std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23); }
    static float sum(F a) { return a; }
    static float largest(F a) { return a; }

    static I set_int(int32_t v) { return v; }
    static F to_float(I v) { return static_cast<float>(v); }

    /// Four signed activations of one row, in the form dot4 wants.
    using Quad = int32_t;
    static Quad make_quad(const int8_t* q) {
        Quad quad;
        std::memcpy(&quad, q, 4);
        return quad;
    }
    /// Four unsigned weights of each of kWidth columns.
    using WeightQuads = uint32_t;
    static WeightQuads load_weights(const uint8_t* p) {
        WeightQuads w;
        std::memcpy(&w, p, 4);
        return w;
    }
    /// acc + sum of the four products, per column.
    static I dot4(I acc, WeightQuads w, const Quad* a) {
        for (int i = 0; i < 4; i++)
            acc += static_cast<int32_t>((w >> (8 * i)) & 0xffu) *
                   static_cast<int8_t>(static_cast<uint32_t>(*a) >> (8 * i));
        return acc;
    }
};

}  // namespace
