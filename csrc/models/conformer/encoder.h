// The Conformer and FastConformer encoder (arXiv:2005.08100, arXiv:2305.05084); NeMo's
// ConformerEncoder.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/conformer/attention.h"
#include "models/conformer/positions.h"
#include "models/conformer/reduction.h"
#include "models/conformer/subsampling.h"
#include "models/encoder.h"

namespace parrotlet {

/// Frames whose feed-forward hidden values exist at once, at most: few enough that the second
/// product finds them in a cache, enough that weights are not read too often.
constexpr int kFeedForwardFrames = 256;

/// NeMo's ConformerFeedForward with the LayerNorm before it: residual += linear2(silu(linear1(
/// norm(residual)))) / 2.
class FeedForward {
  public:
    FeedForward(const Weights& weights, const std::string& index, int d_model, int d_ff);

    size_t bytes() const { return norm_.bytes() + linear1_.bytes() + linear2_.bytes(); }
    void operator()(Context& context, float* residual, int frames) const;

  private:
    int d_model_;
    LayerNorm norm_;
    Linear linear1_, linear2_;
};

/// NeMo's ConformerConvolution with the LayerNorm before it: pointwise, GLU, depthwise,
/// normalisation, SiLU, pointwise. BatchNorm is folded into the depthwise weights by the converter.
class Convolution {
  public:
    Convolution(const Weights& weights, const EncoderConfig& config);

    size_t bytes() const {
        return norm_conv_.bytes() + batch_norm_.bytes() + pointwise_conv1_.bytes() +
               pointwise_conv2_.bytes() + depthwise_conv_.bytes();
    }

    /// residual[total_rows(sequences), d_model]. With a history [kernel left context, d_model],
    /// frames before a sequence's first row are taken from it, and it is brought up to the last;
    /// without, they are zero.
    void operator()(Context& context, float* residual, std::span<const Sequence> sequences) const;

    /// What a sequence that is taken in pieces carries from one to the next: inputs of the
    /// depthwise convolution of frames [begin, end), which start at `gated`.
    struct Carried {
        float* gated;
        int begin = 0, end = 0;
    };

    /// Room for pieces of up to `rows` frames.
    Carried carried(Context& context, int rows) const;

    /// Frames [begin, end) of a whole sequence residual[frames, d_model], after those before them.
    /// No later frame than those that the kernel reaches is looked at.
    void piece(Context& context, float* residual, int frames, int begin, int end,
               Carried& carried) const;

    /// Frames that a frame is convolved with, itself included.
    int kernel() const { return kernel_; }

  private:
    void gate(Context& context, const float* x, int frames, float* gated) const;
    void project(Context& context, const float* convolved, int frames, float* residual) const;

    int d_model_, kernel_, left_;
    bool layer_norm_;
    LayerNorm norm_conv_, batch_norm_;  ///< the latter NeMo's name, whichever norm it is
    Linear pointwise_conv1_, pointwise_conv2_;
    DepthwiseConv1d depthwise_conv_;
};

/// NeMo's ConformerLayer.
class ConformerLayer {
  public:
    ConformerLayer(const Weights& weights, const EncoderConfig& config);

    size_t bytes() const {
        return feed_forward1_.bytes() + norm_self_att_.bytes() + self_attn_.bytes() +
               conv_.bytes() + feed_forward2_.bytes() + norm_out_.bytes();
    }

    /// x[total_rows(sequences), d_model], in place. A sequence that is long beside what its frames
    /// see ahead is taken in pieces: scratch memory grows with its keys and values alone.
    void operator()(Context& context, float* x, std::span<const Sequence> sequences) const;

    const RelPositionMultiHeadAttention& self_attn() const { return self_attn_; }

  private:
    /// All sequences at once.
    void together(Context& context, float* x, std::span<const Sequence> sequences) const;

    /// Whether in_pieces() takes less memory than together().
    bool goes_in_pieces(const Sequence& sequence) const;

    /// One sequence, piece by piece (pieces.cpp).
    void in_pieces(Context& context, float* x, const Sequence& sequence) const;

    int d_model_;
    bool global_token_;
    FeedForward feed_forward1_;
    LayerNorm norm_self_att_;
    RelPositionMultiHeadAttention self_attn_;
    Convolution conv_;
    FeedForward feed_forward2_;
    LayerNorm norm_out_;
};

class ConformerEncoder : public Encoder {
  public:
    /// Reads "encoder" of the model's weights, layers side by side on the pool.
    ConformerEncoder(const Weights& weights, const EncoderConfig& config, ThreadPool& pool);

    const EncoderConfig& config() const { return config_; }
    int d_model() const override { return config_.d_model; }
    const ConformerLayer& layer(int i) const { return *layers_[i]; }

    int output_frames(int frames) const override {
        const int encoded = pre_encode_.output_frames(frames);
        return reduction_ ? reduction_->output_frames(encoded) : encoded;
    }
    int subsampling_factor() const override {
        return config_.subsampling.factor * (reduction_ ? config_.reduction->factor : 1);
    }
    size_t bytes() const override;

    /// y[rows, d_model]: subsampling and scaling of features, those output frames that are wanted
    /// of each sequence.
    void pre_encode(Context& context, std::span<const SubsampledRows> sequences, float* y) const;

    void operator()(Context& context, std::span<const FeatureRows> recordings,
                    AttentionContext attention, float* y) const override;

    /// Features are gone before the first layer.
    void encode(Context& context, OwnedFeatures recording, AttentionContext attention,
                float* y) const override;

    bool can_stream() const override { return config_.can_stream; }
    std::unique_ptr<EncoderStream> stream(Context& context,
                                          AttentionContext attention) const override;

    size_t kept_bytes(const Context& context, int frames,
                      AttentionContext attention) const override;
    StreamBytes stream_bytes(const Context& context, AttentionContext attention) const override;

    void feed(Context& context, std::span<const StreamFeatures> streams) const override;

  private:
    /// Blocks [begin, end).
    struct Blocks {
        int begin, end;
    };

    /// x[frames of all, d_model] of recordings that have so many frames each.
    struct Subsampled {
        std::vector<int> frames;
        float* x;
    };

    /// Subsamples whole recordings into y, or, where a block reduces frames, into the arena.
    Subsampled subsample(Context& context, std::span<const FeatureRows> recordings, float* y) const;

    /// Some blocks over x[frames of all, d_model], in place.
    void run_blocks(Context& context, Blocks blocks, std::span<const int> frames,
                    AttentionContext attention, float* x) const;

    /// All blocks, and the reduction among them.
    void run(Context& context, Subsampled subsampled, AttentionContext attention, float* y) const;

    EncoderConfig config_;
    ConvSubsampling pre_encode_;
    std::vector<std::unique_ptr<ConformerLayer>> layers_;
    std::optional<SubsamplingReduction> reduction_;
    mutable PositionCache positions_;
    mutable StreamPositions stream_positions_;
};

}  // namespace parrotlet
