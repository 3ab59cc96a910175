// The Conformer and FastConformer encoder (arXiv:2005.08100, arXiv:2305.05084); NeMo's
// ConformerEncoder.
#pragma once

#include <vector>

#include "models/attention.h"
#include "models/subsampling.h"

namespace parrotlet {

/// NeMo's ConformerFeedForward with the LayerNorm before it: residual += linear2(silu(linear1(
/// norm(residual)))) / 2.
class FeedForward {
  public:
    FeedForward(const Weights& weights, const std::string& index, int d_model, int d_ff);
    void operator()(Context& context, float* residual, int frames) const;

  private:
    int d_model_, d_ff_;
    LayerNorm norm_;
    Linear linear1_, linear2_;
};

/// NeMo's ConformerConvolution with the LayerNorm before it: pointwise, GLU, depthwise,
/// normalisation, SiLU, pointwise. BatchNorm is folded into the depthwise weights by the converter.
class Convolution {
  public:
    Convolution(const Weights& weights, const EncoderConfig& config);
    void operator()(Context& context, float* residual, int frames) const;

  private:
    int d_model_;
    bool layer_norm_;
    LayerNorm norm_conv_, batch_norm_;  ///< the latter NeMo's name, whichever norm it is
    Linear pointwise_conv1_, pointwise_conv2_;
    DepthwiseConv1d depthwise_conv_;
};

/// NeMo's ConformerLayer.
class ConformerLayer {
  public:
    ConformerLayer(const Weights& weights, const EncoderConfig& config);

    /// x[frames, d_model], in place.
    void operator()(Context& context, float* x, int frames, const KeyRanges& ranges,
                    const RelativePositions& positions) const;

  private:
    int d_model_;
    FeedForward feed_forward1_;
    LayerNorm norm_self_att_;
    RelPositionMultiHeadAttention self_attn_;
    Convolution conv_;
    FeedForward feed_forward2_;
    LayerNorm norm_out_;
};

class ConformerEncoder {
  public:
    /// Reads "encoder" of the model's weights.
    ConformerEncoder(const Weights& weights, const EncoderConfig& config);

    int output_frames(int frames) const { return pre_encode_.output_frames(frames); }

    /// y[output_frames(frames), d_model] from features[frames, mel_bands].
    void operator()(Context& context, const float* features, int frames, AttentionContext attention,
                    float* y) const;

  private:
    EncoderConfig config_;
    ConvSubsampling pre_encode_;
    std::vector<ConformerLayer> layers_;
};

}  // namespace parrotlet
