// Cache-aware streaming of the encoder, chunk by chunk, as NeMo's CacheAwareStreamingAudioBuffer
// and ConformerEncoder.cache_aware_stream_step do it (arXiv:2312.17279).
#pragma once

#include <span>
#include <vector>

#include "models/conformer/encoder.h"

namespace parrotlet {

/// Frames of a key-value cache that may be there although nobody sees them: it drops whole panels.
constexpr int kCacheSlack = kPanel - 1;

/// What NeMo takes for an unlimited left context when it streams (setup_streaming_params).
constexpr int kUnlimitedLeft = 10000;

/// What one stream carries from chunk to chunk: per layer the keys and values of the last `left`
/// frames and the last inputs of the convolution, and the mel frames that subsampling overlaps.
/// Its size does not depend on how long the stream has been running.
class ConformerStream : public EncoderStream {
  public:
    /// `attention` is limited on both sides, and `positions` is made for it. In a context that
    /// counts, the stream is one that has been running for long.
    ConformerStream(const Context& context, const ConformerEncoder& encoder,
                    AttentionContext attention,
                    std::shared_ptr<const ProjectedPositions> positions);

    /// A stream, and what the frames [d_model] that its features complete are appended to.
    struct Output {
        ConformerStream* stream;
        std::vector<float>* encoded;
    };

    /// Adds features, which advance() encodes.
    void add(const FeatureRows& rows);

    /// No more features follow: advance() also encodes what is left, as a last, shorter chunk. NeMo
    /// leaves out one that would be shorter than a single encoder frame's worth of features.
    void end();

    /// Encodes every chunk that there is, one of each stream at a time. All are of one encoder.
    static void advance(Context& context, std::span<const Output> streams);

    void feed(Context& context, const FeatureRows& rows, std::vector<float>& encoded) override;

  private:
    /// The next `frames` frames of features of a stream, beside those that it repeats.
    struct Chunk {
        Output output;
        int frames;
    };

    int chunk_frames() const;
    int next_chunk() const;
    SubsampledRows subsampled(int frames) const;
    KeyRanges visible_keys(int layer, int frames) const;
    void drop_features(int used);
    static void step(Context& context, std::span<const Chunk> chunks);

    const ConformerEncoder& encoder_;
    AttentionContext attention_;
    std::shared_ptr<const ProjectedPositions> positions_;

    std::vector<float> features_;  ///< overlap with the last chunk, then frames not yet encoded
    int overlap_ = 0;              ///< frames of it that were part of earlier chunks
    bool ended_ = false;

    Buffer<std::byte> cache_memory_;
    std::vector<KeyValueCache> caches_;
    std::vector<float> histories_;  ///< [layers, left context of the convolution, d_model], rings
    int oldest_ = 0;                ///< row of each ring
};

}  // namespace parrotlet
