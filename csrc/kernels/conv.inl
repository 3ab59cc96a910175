// kernels/conv.h
#pragma once

#include <cstddef>

#include "kernels/conv.h"
#include "kernels/math.inl"

namespace {

using parrotlet::Conv2dArgs;
using parrotlet::DepthwiseConv1dArgs;

/// Taps [begin, end) of a filter, which fall on consecutive frames: tap j on x + j * channels.
struct TapRun {
    const float* x;
    int begin, end;
};

/// The runs that the taps of output frame t fall into: up to two in the history, and one in x.
struct TapRuns {
    TapRun runs[3];
    int count = 0;

    TapRuns(const DepthwiseConv1dArgs& s, int t) {
        const int first = t - s.left;  // the frame of tap 0
        if (s.history != nullptr && first < 0) {
            add(s, first, -s.left, -s.oldest, s.history, s.oldest + s.left);
            add(s, first, -s.oldest, 0, s.history, s.oldest);
        }
        add(s, first, 0, s.x_frames, s.x, 0);
    }

    /// Frames [from, to), of which frame f is row f + shift of x.
    void add(const DepthwiseConv1dArgs& s, int first, int from, int to, const float* x, int shift) {
        const int begin = from > first ? from - first : 0;
        const int end = to - first < s.kernel ? to - first : s.kernel;
        if (begin < end)
            runs[count++] = {x + static_cast<ptrdiff_t>(first + shift) * s.channels, begin, end};
    }
};

/// Puts the last frames of x into the history.
inline void remember(const DepthwiseConv1dArgs& s) {
    const auto stride = static_cast<size_t>(s.channels);
    const int first = s.x_frames > s.left ? s.x_frames - s.left : 0;
    for (int t = first; t < s.x_frames; t++) {
        float* slot = s.history + (s.oldest + t) % s.left * stride;
        for_lanes(s.channel_end - s.channel_begin, [&](int i, int lanes) {
            const int c = s.channel_begin + i;
            store_lanes(slot + c, load_lanes(s.x + t * stride + c, lanes), lanes);
        });
    }
}

void depthwise_conv1d(const DepthwiseConv1dArgs& s) {
    const auto stride = static_cast<size_t>(s.channels);
    for (int t = 0; t < s.frames; t++) {
        const TapRuns taps(s, t);
        for_lanes(s.channel_end - s.channel_begin, [&](int i, int lanes) {
            const int c = s.channel_begin + i;
            F sum = s.bias != nullptr ? load_lanes(s.bias + c, lanes) : Simd::zero();
            for (int run = 0; run < taps.count; run++) {
                const TapRun& r = taps.runs[run];
                for (int j = r.begin; j < r.end; j++)
                    sum = Simd::fma(load_lanes(s.w + j * stride + c, lanes),
                                    load_lanes(r.x + j * stride + c, lanes), sum);
            }
            store_lanes(s.y + t * stride + c, sum, lanes);
        });
    }
    if (s.history != nullptr) remember(s);
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
