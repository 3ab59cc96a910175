// What the encoder of every family offers.
#pragma once

#include <memory>
#include <vector>

#include "nn/context.h"
#include "nn/key_ranges.h"

namespace parrotlet {

/// One live recording's way through an encoder: features in, encoder frames out.
class EncoderStream {
  public:
    virtual ~EncoderStream() = default;

    /// Appends to `encoded` the frames [d_model] that features[frames, mel_bands] complete.
    virtual void feed(Context& context, const float* features, int frames,
                      std::vector<float>& encoded) = 0;

    /// Appends the last frames. The stream takes no more features.
    virtual void finish(Context& /*context*/, std::vector<float>& /*encoded*/) {}
};

/// Features to encoder frames. All methods may be called from several threads at once.
class Encoder {
  public:
    virtual ~Encoder() = default;

    virtual int d_model() const = 0;
    virtual int output_frames(int frames) const = 0;

    /// y[output_frames(frames), d_model()] from features[frames, mel_bands] of a whole recording.
    /// Families without a choice of the attention context ignore it.
    virtual void operator()(Context& context, const float* features, int frames,
                            AttentionContext attention, float* y) const = 0;

    /// Whether the encoder can be run while the recording arrives; stream() needs it.
    virtual bool can_stream() const = 0;

    /// `attention.right` must be limited. The encoder outlives the stream.
    virtual std::unique_ptr<EncoderStream> stream(Context& context,
                                                  AttentionContext attention) const = 0;
};

}  // namespace parrotlet
