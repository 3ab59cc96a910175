// An encoder of Legendre Memory Units with self-attention between them, or without.
#pragma once

#include <memory>
#include <vector>

#include "models/encoder.h"
#include "models/lmu/config.h"
#include "nn/attention.h"
#include "nn/lmu.h"

namespace parrotlet {

/// Frames of a recurrent model that pass through all layers before the next ones do: bounds memory
/// for long recordings, and what a layer reads is still in cache.
constexpr int kRecurrentFrames = 512;

/// input_projection; per layer attention, if there is any, LMU and LayerNorm; output_projection.
class LmuEncoder : public Encoder {
  public:
    /// Reads "encoder" of the model's weights, layers side by side on the pool.
    LmuEncoder(const Weights& weights, const LmuEncoderConfig& config, ThreadPool& pool);

    const LmuEncoderConfig& config() const { return config_; }
    int d_model() const override { return config_.d_model; }
    int output_frames(int frames) const override { return frames; }
    size_t bytes() const override;

    void operator()(Context& context, std::span<const FeatureRows> recordings,
                    AttentionContext attention, float* y) const override;

    /// Whether a frame depends on nothing after it.
    bool can_stream() const override { return config_.heads == 0; }
    std::unique_ptr<EncoderStream> stream(Context& context,
                                          AttentionContext attention) const override;

    /// States of all layers before the first frame.
    std::vector<LmuState> start() const;

    /// The same for frames that follow those `states` have seen, and brings these up to the last.
    /// Only recurrent encoders give what they give for the whole.
    void advance(Context& context, const float* features, int frames, std::vector<LmuState>& states,
                 float* y) const;

  private:
    struct Block {
        std::unique_ptr<SelfAttention> attention;
        std::unique_ptr<LmuLayer> lmu;
        LayerNorm norm;
    };

    LmuEncoderConfig config_;
    Linear input_projection_, output_projection_;
    std::vector<Block> blocks_;
};

}  // namespace parrotlet
