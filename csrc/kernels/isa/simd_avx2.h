// AVX2, FMA and F16C, with or without AVX-VNNI: eight floats.
#pragma once

#define PARROTLET_SIMD  // see simd.h

#include <immintrin.h>

#include <cstdint>

#include "kernels/isa/simd_x86.h"

namespace {

struct Bytes256 {
    using Integers = __m256i;
    static __m256i load_bytes(const uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static __m256i load32(const int32_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    /// 16 bytes from `at` on of every `step`th row.
    static __m256i load_lanes(const int8_t* const* rows, int step, int at) {
        const auto* p = reinterpret_cast<const __m128i*>(rows[0] + at);
        const auto* q = reinterpret_cast<const __m128i*>(rows[step] + at);
        return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(p)),
                                       _mm_loadu_si128(q), 1);
    }
    static void store_bytes(uint8_t* p, __m256i v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    }
    static __m256i set8(char v) { return _mm256_set1_epi8(v); }
    static __m256i set16(short v) { return _mm256_set1_epi16(v); }
    static __m256i set32(int v) { return _mm256_set1_epi32(v); }
    static __m256i bit_and(__m256i a, __m256i b) { return _mm256_and_si256(a, b); }
    static __m256i shift_right16(__m256i v, int n) { return _mm256_srli_epi16(v, n); }
    static __m256i add16(__m256i a, __m256i b) { return _mm256_add_epi16(a, b); }
    static __m256i add32(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
    static __m256i madd16(__m256i a, __m256i b) { return _mm256_madd_epi16(a, b); }
    static __m256i bit_or(__m256i a, __m256i b) { return _mm256_or_si256(a, b); }
    static __m256i shift_left16(__m256i v, int n) { return _mm256_slli_epi16(v, n); }
    static __m256i shift_left32(__m256i v, int n) { return _mm256_slli_epi32(v, n); }
    static __m256i shift_right32(__m256i v, int n) { return _mm256_srli_epi32(v, n); }
    static __m256i add_saturated16(__m256i a, __m256i b) { return _mm256_adds_epi16(a, b); }
    static __m256i multiply_high16(__m256i a, __m256i b) { return _mm256_mulhi_epi16(a, b); }
    static __m256i unpack_low32(__m256i a, __m256i b) { return _mm256_unpacklo_epi32(a, b); }
    static __m256i unpack_high32(__m256i a, __m256i b) { return _mm256_unpackhi_epi32(a, b); }
    static __m256i unpack_low64(__m256i a, __m256i b) { return _mm256_unpacklo_epi64(a, b); }
    static __m256i unpack_high64(__m256i a, __m256i b) { return _mm256_unpackhi_epi64(a, b); }
    static __m256i maddubs(__m256i w, __m256i a) { return _mm256_maddubs_epi16(w, a); }
#if defined(__AVXVNNI__)
    static __m256i dpbusd(__m256i sum, __m256i w, __m256i a) {
        return _mm256_dpbusd_avx_epi32(sum, w, a);
    }
#elif defined(__AVX512VNNI__)  // the same in AVX-512's encoding: see CMakeLists.txt
    static __m256i dpbusd(__m256i sum, __m256i w, __m256i a) {
        return _mm256_dpbusd_epi32(sum, w, a);
    }
#endif
};

struct Simd : Packing<Bytes256> {
    static constexpr int kWidth = 8;
    // 16 registers: 6 x 2 accumulators, 2 of weights, 1 activation.
    static constexpr int kRowsF32 = 6, kPanelsF32 = 1;
#if defined(__AVXVNNI__) || defined(__AVX512VNNI__)
    static constexpr int kRowsQ8 = 4, kPanelsQ8 = 1;
#else  // the more rows, the fewer times weights are widened
    static constexpr int kRowsQ8 = 6, kPanelsQ8 = 1;
#endif

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

#if defined(__AVXVNNI__) || defined(__AVX512VNNI__)
    using WideDot = VnniDot<Bytes256>;
    using NarrowDot = WideDot;
#else
    using WideDot = WidenedDot<Bytes256>;
    using NarrowDot = NibbleDot<Bytes256>;
#endif
    using OffsetDot = WideDot;
};

}  // namespace
