// AVX2, FMA and F16C: eight floats.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/isa/simd_x86.h"

namespace {

struct Simd {
    static constexpr int kWidth = 8;
    // 16 registers: 6 x 2 accumulators, 2 of weights, 1 activation.
    static constexpr int kRowsF32 = 6, kPanelsF32 = 1;
    static constexpr int kRowsQ8 = 4, kPanelsQ8 = 1;

    using F = __m256;
    using I = __m256i;

    static F zero() { return _mm256_setzero_ps(); }
    static F set(float v) { return _mm256_set1_ps(v); }
    static F load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
    static __m256i mask(int n) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
    }
    static F load_n(const float* p, int n) { return _mm256_maskload_ps(p, mask(n)); }
    static void store_n(float* p, F v, int n) { _mm256_maskstore_ps(p, mask(n), v); }
    static F load_half(const uint16_t* p) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }

    static void store_half(uint16_t* p, F v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }

    static F add(F a, F b) { return _mm256_add_ps(a, b); }
    static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
    static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
    static F div(F a, F b) { return _mm256_div_ps(a, b); }
    static F max(F a, F b) { return _mm256_max_ps(a, b); }
    static F min(F a, F b) { return _mm256_min_ps(a, b); }
    static F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
    static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
    static F negative_fma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
    static F round(F a) {
        return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static F exp2_int(F n) {
        const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
    }
    static float sum(F a) {
        __m128 v = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
    }
    static float largest(F a) {
        __m128 v = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        v = _mm_max_ps(v, _mm_movehl_ps(v, v));
        return _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps(v, v, 1)));
    }

    static F to_float(I v) { return _mm256_cvtepi32_ps(v); }
    static void store_bytes(int8_t* p, F v) {
        const __m256i words = _mm256_cvtps_epi32(v);
        const __m128i halves =
            _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
    }

    template <int N>
    static int32_t sum_bytes(const int8_t* p) {
        return sum_of_bytes<N>(p);
    }

    static __m256i load_bytes(const uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static __m256i low_nibbles(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
    static __m256i high_nibbles(__m256i v) { return low_nibbles(_mm256_srli_epi16(v, 4)); }

    // Without a byte dot product, bytes are widened to 16 bits: values 0 and 2 of each four in one
    // operand, 1 and 3 in the other, so that a mask and a shift widen the weights. vpmaddubsw
    // would save an instruction but saturates on full 8-bit operands.
    struct WideDot {
        using Sum = __m256i;
        struct Quad {
            int16_t even[2], odd[2];
        };
        static Quad make_quad(const int8_t* q) { return {{q[0], q[2]}, {q[1], q[3]}}; }
        struct Weights {
            __m256i even, odd;
        };
        static Weights load(const uint8_t* p) {
            const __m256i w = load_bytes(p);
            return {_mm256_and_si256(w, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(w, 8)};
        }
        static Sum start(int32_t v) { return _mm256_set1_epi32(v); }
        static Sum add(Sum sum, const Weights& w, const Quad* a) {
            int32_t even, odd;
            std::memcpy(&even, a->even, 4);
            std::memcpy(&odd, a->odd, 4);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(w.even, _mm256_set1_epi32(even)));
            return _mm256_add_epi32(sum, _mm256_madd_epi16(w.odd, _mm256_set1_epi32(odd)));
        }
        static I finish(Sum sum) { return sum; }
    };

    // Weights below 16 cannot saturate vpmaddubsw, nor 16-bit sums over a whole block:
    // 32 / 2 * 15 * 127 = 30480 for each of the two lanes of a column.
    struct NarrowDot {
        using Sum = __m256i;
        using Quad = int32_t;
        static Quad make_quad(const int8_t* q) {
            Quad quad;
            std::memcpy(&quad, q, 4);
            return quad;
        }
        static __m256i load_low(const uint8_t* p) { return low_nibbles(load_bytes(p)); }
        static __m256i load_high(const uint8_t* p) { return high_nibbles(load_bytes(p)); }
        static Sum start(int32_t) { return _mm256_setzero_si256(); }
        static Sum add(Sum sum, __m256i w, const Quad* a) {
            return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, _mm256_set1_epi32(*a)));
        }
        static I finish(Sum sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
    };
};

}  // namespace
