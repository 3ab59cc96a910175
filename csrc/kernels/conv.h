// Depthwise and single-channel convolutions, channels last. The pointwise ones are matrix products.
#pragma once

#include <cstddef>

namespace parrotlet {

/// y[t, c] = bias[c] + sum_j w[j, c] * x[t + j - left, c] for t in [0, frames), where frames of x
/// outside [0, x_frames) count as zero. w is [kernel, channels]; bias may be null.
///
/// With a history, the `left` frames before x are in it, a ring [left, channels] whose oldest one
/// is given. The kernel then puts the last frames of x in the place of the oldest: the next call's
/// oldest is (oldest + x_frames) % left.
struct DepthwiseConv1dArgs {
    const float* x = nullptr;
    const float* w = nullptr;
    const float* bias = nullptr;
    float* y = nullptr;
    float* history = nullptr;
    int oldest = 0;
    int x_frames = 0, frames = 0, channels = 0, kernel = 0, left = 0;
    int channel_begin = 0, channel_end = 0;  ///< multiples of 64 but for the last
};
using DepthwiseConv1dKernel = void (*)(const DepthwiseConv1dArgs&);

/// 3x3 convolution with stride 2 over (time, frequency), for output frames [0, frames).
///
/// x holds input frames first .. first + x_frames - 1 of a longer input, where `first` is given
/// relative to the first tap of output frame 0: output frame t reads x frames 2 t + i - offset,
/// i = 0..2, and those outside [0, x_frames) count as zero; likewise frequency 2 f + j - left.
///   conv2d_first:     x [x_frames, in_bins],            y = relu(w * x + bias)
///   depthwise_conv2d: x [x_frames, in_bins, channels],  y = w * x + bias
/// y is [frames, out_bins, channels]; w is [9, channels].
struct Conv2dArgs {
    const float* x = nullptr;
    const float* w = nullptr;
    const float* bias = nullptr;
    float* y = nullptr;
    int x_frames = 0, frames = 0, offset = 0;
    int in_bins = 0, out_bins = 0, left = 0;
    int channels = 0;
};
using Conv2dKernel = void (*)(const Conv2dArgs&);

}  // namespace parrotlet
