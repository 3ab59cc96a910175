// What the x86 instruction sets from AVX2 on have in common.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/panels.h"

namespace {

/// The sum of N bytes: 16, or a multiple of 32.
template <int N>
inline int32_t sum_of_bytes(const int8_t* p) {
    // vpsadbw adds unsigned bytes: they are offset by 128 for it.
    __m128i sums;
    if constexpr (N == 16) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        sums = _mm_sad_epu8(_mm_xor_si128(v, _mm_set1_epi8(-128)), _mm_setzero_si128());
    } else {
        static_assert(N % 32 == 0);
        __m256i sad = _mm256_setzero_si256();
        for (int i = 0; i < N; i += 32) {
            const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i));
            const __m256i offset = _mm256_xor_si256(v, _mm256_set1_epi8(-128));
            sad = _mm256_add_epi64(sad, _mm256_sad_epu8(offset, _mm256_setzero_si256()));
        }
        sums = _mm_add_epi64(_mm256_castsi256_si128(sad), _mm256_extracti128_si256(sad, 1));
    }
    return _mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_unpackhi_epi64(sums, sums)) - 128 * N;
}

/// Packs weights, as simd_scalar.h says it. `V` is the instructions for vectors of one length.
template <typename V>
struct Packing {
    static void pack_block(const int8_t* const* quants, const int32_t* factors, uint8_t* out) {
        using parrotlet::kBlock, parrotlet::kPanel;
        constexpr int kColumns = sizeof(Integers) / 4;
        const Integers upper = V::set16(static_cast<short>(0xff00));
        for (int c = 0; c < kPanel; c += kColumns) {
            const Integers factor = twice(V::load32(factors + c));
            for (int i = 0; i < kBlock; i += 16) {
                // Lanes of 128 bits hold 16 quants of one column, then four of four columns each.
                Integers rows[4], pairs[4];
                for (int r = 0; r < 4; r++) rows[r] = V::load_lanes(quants + c + r, 4, i);
                for (int r = 0; r < 4; r += 2) {
                    pairs[r] = V::unpack_low32(rows[r], rows[r + 1]);
                    pairs[r + 1] = V::unpack_high32(rows[r], rows[r + 1]);
                }
                for (int r = 0; r < 2; r++) {
                    rows[2 * r] = V::unpack_low64(pairs[r], pairs[r + 2]);
                    rows[2 * r + 1] = V::unpack_high64(pairs[r], pairs[r + 2]);
                }
                for (int r = 0; r < 4; r++) {
                    // Every second quant is the upper half of 16 bits, once shifted and once not.
                    const Integers even = scaled(V::shift_left16(rows[r], 8), factor);
                    const Integers odd = scaled(V::bit_and(rows[r], upper), factor);
                    const Integers packed =
                        V::bit_or(V::shift_right16(even, 7), V::bit_and(V::add16(odd, odd), upper));
                    V::store_bytes(out + parrotlet::quant_offset(i + 4 * r, c), packed);
                }
            }
        }
    }

  private:
    using Integers = typename V::Integers;

    static Integers twice(Integers v) {
        return V::bit_or(V::shift_right32(V::shift_left32(v, 16), 16), V::shift_left32(v, 16));
    }
    /// 256 * quant to (round(quant * factor) + 128) * 128 and a rest below 128. The upper half of
    /// the product is floor(quant * factor / 256) with a factor in units of 1; saturation leaves
    /// 127 of 128.
    static Integers scaled(Integers quants, Integers factor) {
        return V::add_saturated16(V::multiply_high16(quants, factor), V::set16(128 * 128 + 64));
    }
};

// Sums of byte products, which simd_scalar.h calls dots, for vectors of any length: `V` is the
// instructions for one length.

/// One row and four values at a time; activations as they lie in memory, in 32 bits.
template <typename V>
struct ByteQuads {
    static constexpr int kRows = 1, kDepth = 4;
    using Sum = typename V::Integers;
    using Values = int32_t;
    static Values make_values(const int8_t* q) {
        Values values;
        std::memcpy(&values, q, 4);
        return values;
    }

    static Sum load(const uint8_t* p) { return V::load_bytes(p); }
    static Sum load_low(const uint8_t* p) { return V::bit_and(load(p), V::set8(15)); }
    static Sum load_high(const uint8_t* p) {
        return V::bit_and(V::shift_right16(load(p), 4), V::set8(15));
    }
    static Sum zero() { return V::set32(0); }
};

/// VNNI: products and sums of four in one instruction.
template <typename V>
struct VnniDot : ByteQuads<V> {
    using Sum = typename V::Integers;
    static Sum start(const int32_t* corrections) { return V::set32(*corrections); }
    static Sum add(Sum sum, Sum w, const int32_t* a, int) {
        return V::dpbusd(sum, w, V::set32(*a));
    }
    static Sum finish(Sum sum, int) { return sum; }
};

/// Without VNNI, bytes are widened to 16 bits: values 0 and 2 of each four in one operand, 1 and 3
/// in the other, so that a mask and a shift widen the weights. vpmaddubsw would save an instruction
/// but saturates on full 8-bit operands.
template <typename V>
struct WidenedDot {
    static constexpr int kRows = 1, kDepth = 4;
    using Sum = typename V::Integers;
    struct Values {
        int16_t even[2], odd[2];
    };
    static Values make_values(const int8_t* q) { return {{q[0], q[2]}, {q[1], q[3]}}; }

    struct Weights {
        Sum even, odd;
    };
    static Weights load(const uint8_t* p) {
        const Sum w = V::load_bytes(p);
        return {V::bit_and(w, V::set16(0xff)), V::shift_right16(w, 8)};
    }
    static Sum zero() { return V::set32(0); }
    static Sum start(const int32_t* corrections) { return V::set32(*corrections); }
    static Sum add(Sum sum, const Weights& w, const Values* a, int) {
        int32_t even, odd;
        std::memcpy(&even, a->even, 4);
        std::memcpy(&odd, a->odd, 4);
        sum = V::add32(sum, V::madd16(w.even, V::set32(even)));
        return V::add32(sum, V::madd16(w.odd, V::set32(odd)));
    }
    static Sum finish(Sum sum, int) { return sum; }
};

/// Weights below 16 cannot saturate vpmaddubsw, nor 16-bit sums over a whole block:
/// 32 / 2 * 15 * 127 = 30480 for each of the two lanes of a column.
template <typename V>
struct NibbleDot : ByteQuads<V> {
    using Sum = typename V::Integers;
    static Sum add(Sum sum, Sum w, const int32_t* a, int) {
        return V::add16(sum, V::maddubs(w, V::set32(*a)));
    }
    static Sum finish(Sum sum, int) { return V::madd16(sum, V::set16(1)); }
};

}  // namespace
