// What the x86 instruction sets from AVX2 on have in common.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

/// The sum of N bytes, 16 or 32.
template <int N>
inline int32_t sum_of_bytes(const int8_t* p) {
    // vpsadbw adds unsigned bytes: they are offset by 128 for it.
    __m128i sums;
    if constexpr (N == 32) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        const __m256i offset = _mm256_xor_si256(v, _mm256_set1_epi8(-128));
        const __m256i sad = _mm256_sad_epu8(offset, _mm256_setzero_si256());
        sums = _mm_add_epi64(_mm256_castsi256_si128(sad), _mm256_extracti128_si256(sad, 1));
    } else {
        static_assert(N == 16);
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        sums = _mm_sad_epu8(_mm_xor_si128(v, _mm_set1_epi8(-128)), _mm_setzero_si128());
    }
    return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 128 * N;
}

}  // namespace
