// What the encoder of every family offers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "nn/context.h"
#include "nn/key_ranges.h"

namespace parrotlet {

/// Features [frames, mel_bands] of one recording, or the next ones of a stream.
struct FeatureRows {
    const float* features;
    int frames;
};

/// Features [frames, mel_bands] of a recording that the encoder may let go of. Plain memory: blocks
/// of scratch memory this large would be kept.
struct OwnedFeatures {
    std::unique_ptr<float[]> features;
    int frames;
};

/// One live recording's way through an encoder: features in, encoder frames out.
class EncoderStream {
  public:
    virtual ~EncoderStream() = default;

    /// Appends to `encoded` the frames [d_model] that `rows` complete.
    virtual void feed(Context& context, const FeatureRows& rows, std::vector<float>& encoded) = 0;
};

/// A stream's next features, and what the frames [d_model] that they complete are appended to.
struct StreamFeatures {
    EncoderStream* stream;
    FeatureRows rows;
    std::vector<float>* encoded;
    bool last = false;  ///< nothing follows
};

/// What one stream holds, in bytes.
struct StreamBytes {
    size_t keys_and_values = 0, histories = 0;
    size_t positions = 0;  ///< shared by all streams of a context
};

/// Features to encoder frames. All methods may be called from several threads at once.
class Encoder {
  public:
    virtual ~Encoder() = default;

    virtual int d_model() const = 0;
    virtual int output_frames(int frames) const = 0;
    virtual int subsampling_factor() const { return 1; }  ///< frames of features to one of output
    virtual size_t bytes() const = 0;                     ///< of the weights, packed

    /// The output_frames() of each recording, [d_model()], one whole recording after the other.
    /// Recordings may share the products of a layer; each gives to the bit what it gives alone.
    /// Families without a choice of the attention context ignore it.
    virtual void operator()(Context& context, std::span<const FeatureRows> recordings,
                            AttentionContext attention, float* y) const = 0;

    /// The same of one recording. Families that soon need its features no more let go of them then.
    virtual void encode(Context& context, OwnedFeatures recording, AttentionContext attention,
                        float* y) const {
        const FeatureRows rows{recording.features.get(), recording.frames};
        (*this)(context, {&rows, 1}, attention, y);
    }

    /// Whether the encoder can be run while the recording arrives; stream() needs it.
    virtual bool can_stream() const = 0;

    /// `attention.right` must be limited. The encoder outlives the stream.
    virtual std::unique_ptr<EncoderStream> stream(Context& context,
                                                  AttentionContext attention) const = 0;

    /// Bytes that are kept for the next recording after one of `frames` frames of features.
    virtual size_t kept_bytes(const Context& /*context*/, int /*frames*/,
                              AttentionContext /*attention*/) const {
        return 0;
    }

    virtual StreamBytes stream_bytes(const Context& /*context*/,
                                     AttentionContext /*attention*/) const {
        return {};
    }

    /// Feeds streams of this encoder, each its own features, and finishes those that nothing
    /// follows for, together where the family can: each gives to the bit what it gives alone. No
    /// stream is there twice. Here, for families whose streams keep nothing back for their end.
    virtual void feed(Context& context, std::span<const StreamFeatures> streams) const {
        for (const auto& [stream, rows, encoded, last] : streams)
            stream->feed(context, rows, *encoded);
    }
};

}  // namespace parrotlet
