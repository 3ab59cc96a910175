// AVX-512 (F, BW, VL, DQ), with or without VNNI, and AMX beside it: sixteen floats.
#pragma once

#define PARROTLET_SIMD  // see simd.h

#if defined(__AMX_INT8__)
#define PARROTLET_BYTE_TILES  // see kernels/byte_tiles.inl
#endif

#include <immintrin.h>

#include <cstdint>

#include "kernels/isa/simd_x86.h"

namespace {

struct Bytes512 {
    using Integers = __m512i;
    static __m512i load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
    static __m512i load32(const int32_t* p) { return _mm512_loadu_si512(p); }
    /// 16 bytes from `at` on of every `step`th row.
    static __m512i load_lanes(const int8_t* const* rows, int step, int at) {
        const auto lane = [=](int i) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i * step] + at));
        };
        __m512i v = _mm512_castsi128_si512(lane(0));
        v = _mm512_inserti32x4(v, lane(1), 1);
        v = _mm512_inserti32x4(v, lane(2), 2);
        return _mm512_inserti32x4(v, lane(3), 3);
    }
    static void store_bytes(uint8_t* p, __m512i v) { _mm512_storeu_si512(p, v); }
    static __m512i set8(char v) { return _mm512_set1_epi8(v); }
    static __m512i set16(short v) { return _mm512_set1_epi16(v); }
    static __m512i set32(int v) { return _mm512_set1_epi32(v); }
    static __m512i bit_and(__m512i a, __m512i b) { return _mm512_and_si512(a, b); }
    static __m512i shift_right16(__m512i v, unsigned n) { return _mm512_srli_epi16(v, n); }
    static __m512i add16(__m512i a, __m512i b) { return _mm512_add_epi16(a, b); }
    static __m512i add32(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
    static __m512i madd16(__m512i a, __m512i b) { return _mm512_madd_epi16(a, b); }
    static __m512i bit_or(__m512i a, __m512i b) { return _mm512_or_si512(a, b); }
    static __m512i shift_left16(__m512i v, unsigned n) { return _mm512_slli_epi16(v, n); }
    static __m512i shift_left32(__m512i v, unsigned n) { return _mm512_slli_epi32(v, n); }
    static __m512i shift_right32(__m512i v, unsigned n) { return _mm512_srli_epi32(v, n); }
    static __m512i add_saturated16(__m512i a, __m512i b) { return _mm512_adds_epi16(a, b); }
    static __m512i multiply_high16(__m512i a, __m512i b) { return _mm512_mulhi_epi16(a, b); }
    static __m512i unpack_low32(__m512i a, __m512i b) { return _mm512_unpacklo_epi32(a, b); }
    static __m512i unpack_high32(__m512i a, __m512i b) { return _mm512_unpackhi_epi32(a, b); }
    static __m512i unpack_low64(__m512i a, __m512i b) { return _mm512_unpacklo_epi64(a, b); }
    static __m512i unpack_high64(__m512i a, __m512i b) { return _mm512_unpackhi_epi64(a, b); }
    static __m512i maddubs(__m512i w, __m512i a) { return _mm512_maddubs_epi16(w, a); }
#if defined(__AVX512VNNI__)
    static __m512i dpbusd(__m512i sum, __m512i w, __m512i a) {
        return _mm512_dpbusd_epi32(sum, w, a);
    }
#endif
};

struct Simd : Packing<Bytes512> {
    static constexpr int kWidth = 16;
    // 32 registers: 12 x 2 accumulators, 2 of weights.
    static constexpr int kRowsF32 = 12, kPanelsF32 = 2;
    // An integer and a float accumulator for each of 12, of weights 1 or 2, one of activations.
#if defined(__AVX512VNNI__)
    static constexpr int kRowsQ8 = 6, kPanelsQ8 = 2;
#else
    static constexpr int kRowsQ8 = 12, kPanelsQ8 = 1;
#endif

#if defined(PARROTLET_BYTE_TILES)
    static constexpr int kTileRows = 16;
#endif

    using F = __m512;
    using I = __m512i;

    static F zero() { return _mm512_setzero_ps(); }
    static F set(float v) { return _mm512_set1_ps(v); }
    static F load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
    static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
    static F load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(mask(n), p); }
    static void store_n(float* p, F v, int n) { _mm512_mask_storeu_ps(p, mask(n), v); }
    static F load_half(const uint16_t* p) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }

    static void store_half(uint16_t* p, F v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                            _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }

    static F add(F a, F b) { return _mm512_add_ps(a, b); }
    static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
    static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
    static F div(F a, F b) { return _mm512_div_ps(a, b); }
    static F max(F a, F b) { return _mm512_max_ps(a, b); }
    static F min(F a, F b) { return _mm512_min_ps(a, b); }
    static F abs(F a) { return _mm512_abs_ps(a); }
    static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    static F negative_fma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
    static F round(F a) {
        return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    static F exp2_int(F n) {
        const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
        return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
    }
    static float sum(F a) { return _mm512_reduce_add_ps(a); }
    static float largest(F a) { return _mm512_reduce_max_ps(a); }

    static F to_float(I v) { return _mm512_cvtepi32_ps(v); }
    static void store_bytes(int8_t* p, F v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
    }

    template <int N>
    static int32_t sum_bytes(const int8_t* p) {
        return sum_of_bytes<N>(p);
    }

#if defined(__AVX512VNNI__)
    using WideDot = VnniDot<Bytes512>;
    using NarrowDot = WideDot;
#else
    using WideDot = WidenedDot<Bytes512>;
    using NarrowDot = NibbleDot<Bytes512>;
#endif
    using OffsetDot = WideDot;
};

}  // namespace
