// AArch64 Advanced SIMD, with or without byte dot products (sdot) and byte matrix products
// (usmmla): four floats.
#pragma once

#define PARROTLET_SIMD  // see simd.h

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/gemm.h"

namespace {

struct Simd {
    static constexpr int kWidth = 4;
    // 32 registers: 6 x 4 accumulators, 4 of weights, 1 activation.
    static constexpr int kRowsF32 = 6, kPanelsF32 = 1;
    // 16 integer accumulators, 4 of weights, 1 or 2 of activations; without dot products some dots
    // need two accumulators per row and vector.
#if defined(__ARM_FEATURE_DOTPROD)
    static constexpr int kRowsQ8 = 4, kPanelsQ8 = 1;
#else
    static constexpr int kRowsQ8 = 3, kPanelsQ8 = 1;
#endif

    using F = float32x4_t;
    using I = int32x4_t;

    static F zero() { return vdupq_n_f32(0.0f); }
    static F set(float v) { return vdupq_n_f32(v); }
    static F load(const float* p) { return vld1q_f32(p); }
    static void store(float* p, F v) { vst1q_f32(p, v); }
    static F load_n(const float* p, int n) {  // n is 1, 2 or 3
        if (n == 1) return vld1q_lane_f32(p, zero(), 0);
        const F v = vcombine_f32(vld1_f32(p), vdup_n_f32(0.0f));
        return n == 2 ? v : vld1q_lane_f32(p + 2, v, 2);
    }
    static void store_n(float* p, F v, int n) {
        if (n == 1) return vst1q_lane_f32(p, v, 0);
        vst1_f32(p, vget_low_f32(v));
        if (n == 3) vst1q_lane_f32(p + 2, v, 2);
    }
    static void pack_block(const int8_t* const* quants, const int32_t* factors, uint8_t* out) {
        using parrotlet::quant_offset;
        for (int c = 0; c < parrotlet::kPanel; c += 4)
            for (int i = 0; i < parrotlet::kBlock; i += 16) {
                uint32x4_t rows[4];
                for (int r = 0; r < 4; r++)
                    rows[r] = rescale(vld1q_s8(quants[c + r] + i), factors[c + r]);
                const uint32x4x2_t low = vtrnq_u32(rows[0], rows[1]);
                const uint32x4x2_t high = vtrnq_u32(rows[2], rows[3]);
                for (int r = 0; r < 2; r++) {
                    const uint64x2_t a = vreinterpretq_u64_u32(low.val[r]);
                    const uint64x2_t b = vreinterpretq_u64_u32(high.val[r]);
                    vst1q_u8(out + quant_offset(i + 4 * r, c),
                             vreinterpretq_u8_u64(vtrn1q_u64(a, b)));
                    vst1q_u8(out + quant_offset(i + 4 * r + 8, c),
                             vreinterpretq_u8_u64(vtrn2q_u64(a, b)));
                }
            }
    }

    static F load_half(const uint16_t* p) {
        return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
    }
    static void store_half(uint16_t* p, F v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }

    static F add(F a, F b) { return vaddq_f32(a, b); }
    static F sub(F a, F b) { return vsubq_f32(a, b); }
    static F mul(F a, F b) { return vmulq_f32(a, b); }
    static F div(F a, F b) { return vdivq_f32(a, b); }
    static F max(F a, F b) { return vmaxq_f32(a, b); }
    static F min(F a, F b) { return vminq_f32(a, b); }
    static F abs(F a) { return vabsq_f32(a); }
    static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
    static F negative_fma(F a, F b, F c) { return vfmsq_f32(c, a, b); }
    static F round(F a) { return vrndnq_f32(a); }
    static F exp2_int(F n) {
        const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
        return vreinterpretq_f32_s32(vshlq_n_s32(biased, 23));
    }
    static float sum(F a) { return vaddvq_f32(a); }
    static float largest(F a) { return vmaxvq_f32(a); }

    static F to_float(I v) { return vcvtq_f32_s32(v); }
    static void store_bytes(int8_t* p, F v) {
        const int16x4_t halves = vqmovn_s32(vcvtnq_s32_f32(v));
        const int8x8_t bytes = vqmovn_s16(vcombine_s16(halves, halves));
        std::memcpy(p, &bytes, 4);
    }
    template <int N>
    static int32_t sum_bytes(const int8_t* p) {
        int32_t sum = 0;
        for (int i = 0; i < N; i += 16) sum += vaddlvq_s8(vld1q_s8(p + i));
        return sum;
    }

#if defined(__ARM_FEATURE_MATMUL_INT8)
    // usmmla: products of two columns and two rows over eight values. Loads bring four values of
    // four columns, so two of them are interleaved.
    struct WideDot {
        static constexpr int kRows = 2, kDepth = 8;
        using Values = int64_t;
        static Values make_values(const int8_t* q) { return copy<Values>(q); }

        /// Columns 0 and 1, and columns 2 and 3.
        struct Weights {
            uint8x16_t low, high;
        };
        static Weights load(const uint8_t* p) {
            const uint32x4_t first = vreinterpretq_u32_u8(vld1q_u8(p));
            const uint32x4_t second = vreinterpretq_u32_u8(vld1q_u8(p + 4 * parrotlet::kPanel));
            return {vreinterpretq_u8_u32(vzip1q_u32(first, second)),
                    vreinterpretq_u8_u32(vzip2q_u32(first, second))};
        }
        static Weights load_low(const uint8_t* p) {
            const Weights w = load(p);
            return {vandq_u8(w.low, vdupq_n_u8(15)), vandq_u8(w.high, vdupq_n_u8(15))};
        }
        static Weights load_high(const uint8_t* p) {
            const Weights w = load(p);
            return {vshrq_n_u8(w.low, 4), vshrq_n_u8(w.high, 4)};
        }

        /// Of each column, both rows.
        struct Sum {
            int32x4_t low, high;
        };
        static Sum zero() { return {vdupq_n_s32(0), vdupq_n_s32(0)}; }
        static Sum start(const int32_t* corrections) {
            const int32x2_t rows = vld1_s32(corrections);
            return {vcombine_s32(rows, rows), vcombine_s32(rows, rows)};
        }
        static Sum add(Sum sum, const Weights& w, const Values* a, int) {
            const int8x16_t rows = vld1q_s8(reinterpret_cast<const int8_t*>(a));
            sum.low = vusmmlaq_s32(sum.low, w.low, rows);
            sum.high = vusmmlaq_s32(sum.high, w.high, rows);
            return sum;
        }
        static I finish(const Sum& sum, int row) {
            return row == 0 ? vuzp1q_s32(sum.low, sum.high) : vuzp2q_s32(sum.low, sum.high);
        }
    };
    using OffsetDot = WideDot;
    using NarrowDot = WideDot;
#else
    // The other instructions take two signed operands. Weights that are offset by 128 lose the
    // offset when they are loaded; all others are below 128 anyway.
    struct SignedBytes {
        static constexpr int kDepth = 4;
        using Values = int32_t;
        static Values make_values(const int8_t* q) { return copy<Values>(q); }

        static int8x16_t load(const uint8_t* p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }
        static int8x16_t load_low(const uint8_t* p) {
            return vreinterpretq_s8_u8(vandq_u8(vld1q_u8(p), vdupq_n_u8(15)));
        }
        static int8x16_t load_high(const uint8_t* p) {
            return vreinterpretq_s8_u8(vshrq_n_u8(vld1q_u8(p), 4));
        }
    };

    template <typename Dot>
    struct WithoutOffset : Dot {
        static int8x16_t load(const uint8_t* p) {
            return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(128)));
        }
        static auto start(const int32_t*) { return Dot::zero(); }
    };

#if defined(__ARM_FEATURE_DOTPROD)
    // sdot takes its four activations from a lane of a register: one load serves four rows.
    struct WideDot : SignedBytes {
        static constexpr int kRows = 4;
        struct Sum {
            int32x4_t rows[4];
        };
        static Sum zero() {
            const int32x4_t v = vdupq_n_s32(0);
            return {{v, v, v, v}};
        }
        static Sum add(Sum sum, int8x16_t w, const Values* a, int rows) {
            const int8x16_t values = vld1q_s8(reinterpret_cast<const int8_t*>(a));
            sum.rows[0] = vdotq_laneq_s32(sum.rows[0], w, values, 0);
            if (rows > 1) sum.rows[1] = vdotq_laneq_s32(sum.rows[1], w, values, 1);
            if (rows > 2) sum.rows[2] = vdotq_laneq_s32(sum.rows[2], w, values, 2);
            if (rows > 3) sum.rows[3] = vdotq_laneq_s32(sum.rows[3], w, values, 3);
            return sum;
        }
        static I finish(const Sum& sum, int row) { return sum.rows[row]; }
    };
    using OffsetDot = WithoutOffset<WideDot>;
    using NarrowDot = WideDot;
#else
    // Products of two bytes fit into 16 bits, and so do sums of two of them.
    struct ByteDot : SignedBytes {
        static constexpr int kRows = 1;
        using Sum = int32x4_t;
        static Sum zero() { return vdupq_n_s32(0); }
        static Sum add(Sum sum, int8x16_t w, const Values* a, int) {
            const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(*a));
            const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(values));
            const int16x8_t high = vmull_high_s8(w, values);
            return vpadalq_s16(sum, vpaddq_s16(low, high));
        }
        static I finish(Sum sum, int) { return sum; }
    };
    using OffsetDot = WithoutOffset<ByteDot>;

    // With weights below 64, and at most 16 of them, or below 32, sums fit into 16 bits if each of
    // a column's four values has its own: 16 / 4 * 63 * 127 = 32004, 32 / 4 * 31 * 127 = 31496.
    struct WideDot : SignedBytes {
        static constexpr int kRows = 1;
        struct Sum {
            int16x8_t low, high;
        };
        static Sum zero() { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
        static Sum add(Sum sum, int8x16_t w, const Values* a, int) {
            const int8x16_t values = vreinterpretq_s8_s32(vdupq_n_s32(*a));
            sum.low = vmlal_s8(sum.low, vget_low_s8(w), vget_low_s8(values));
            sum.high = vmlal_high_s8(sum.high, w, values);
            return sum;
        }
        static I finish(const Sum& sum, int) {
            return vpaddq_s32(vpaddlq_s16(sum.low), vpaddlq_s16(sum.high));
        }
    };
    using NarrowDot = WideDot;
#endif
#endif

  private:
    static uint32x4_t rescale(int8x16_t quants, int32_t factor) {
        const auto times = static_cast<int16_t>(factor);
        const int16x8_t low = vqrdmulhq_n_s16(vmovl_s8(vget_low_s8(quants)), times);
        const int16x8_t high = vqrdmulhq_n_s16(vmovl_high_s8(quants), times);
        const int8x16_t scaled = vqmovn_high_s16(vqmovn_s16(low), high);
        return vreinterpretq_u32_u8(veorq_u8(vreinterpretq_u8_s8(scaled), vdupq_n_u8(128)));
    }

    template <typename T>
    static T copy(const int8_t* p) {
        T v;
        std::memcpy(&v, p, sizeof(v));
        return v;
    }
};

}  // namespace
