// kernels/conv.h
#pragma once

#include <cstddef>

#include "kernels/conv.h"
#include "kernels/math.inl"

namespace {

using parrotlet::Conv2dArgs;
using parrotlet::DepthwiseConv1dArgs;

void depthwise_conv1d(const DepthwiseConv1dArgs& s) {
    const auto stride = static_cast<size_t>(s.channels);
    for (int t = 0; t < s.frames; t++) {
        const int begin = s.left - t > 0 ? s.left - t : 0;
        const int past = t - s.left + s.kernel - s.x_frames;
        const int end = past > 0 ? s.kernel - past : s.kernel;
        const float* x = s.x + static_cast<ptrdiff_t>(t - s.left) * s.channels;
        for_lanes(s.channel_end - s.channel_begin, [&](int i, int lanes) {
            const int c = s.channel_begin + i;
            F sum = s.bias != nullptr ? load_lanes(s.bias + c, lanes) : Simd::zero();
            for (int j = begin; j < end; j++)
                sum = Simd::fma(load_lanes(s.w + j * stride + c, lanes),
                                load_lanes(x + j * stride + c, lanes), sum);
            store_lanes(s.y + t * stride + c, sum, lanes);
        });
    }
}

/// The taps of a 3-wide window that starts at `first` and lie inside [0, n).
struct Taps {
    int begin, end;
    Taps(int first, int n) : begin(first < 0 ? -first : 0), end(n - first < 3 ? n - first : 3) {}
};

void conv2d_first(const Conv2dArgs& s) {
    for (int t = 0; t < s.frames; t++) {
        const Taps rows(2 * t - s.offset, s.x_frames);
        for (int f = 0; f < s.out_bins; f++) {
            const Taps columns(2 * f - s.left, s.in_bins);
            float* y = s.y + (static_cast<size_t>(t) * s.out_bins + f) * s.channels;
            for_lanes(s.channels, [&](int c, int lanes) {
                F sum = load_lanes(s.bias + c, lanes);
                for (int i = rows.begin; i < rows.end; i++)
                    for (int j = columns.begin; j < columns.end; j++) {
                        const size_t at = static_cast<size_t>(2 * t - s.offset + i) * s.in_bins +
                                          (2 * f - s.left + j);
                        sum = Simd::fma(Simd::set(s.x[at]),
                                        load_lanes(s.w + (3 * i + j) * s.channels + c, lanes), sum);
                    }
                store_lanes(y + c, Simd::max(sum, Simd::zero()), lanes);
            });
        }
    }
}

void depthwise_conv2d(const Conv2dArgs& s) {
    for (int t = 0; t < s.frames; t++) {
        const Taps rows(2 * t - s.offset, s.x_frames);
        for (int f = 0; f < s.out_bins; f++) {
            const Taps columns(2 * f - s.left, s.in_bins);
            float* y = s.y + (static_cast<size_t>(t) * s.out_bins + f) * s.channels;
            for_lanes(s.channels, [&](int c, int lanes) {
                F sum = load_lanes(s.bias + c, lanes);
                for (int i = rows.begin; i < rows.end; i++)
                    for (int j = columns.begin; j < columns.end; j++) {
                        const size_t at = static_cast<size_t>(2 * t - s.offset + i) * s.in_bins +
                                          (2 * f - s.left + j);
                        sum = Simd::fma(load_lanes(s.x + at * s.channels + c, lanes),
                                        load_lanes(s.w + (3 * i + j) * s.channels + c, lanes), sum);
                    }
                store_lanes(y + c, sum, lanes);
            });
        }
    }
}

}  // namespace
