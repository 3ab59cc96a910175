#include "models/conformer.h"

#include <algorithm>
#include <cmath>

namespace parrotlet {

namespace {

/// Frames whose feed-forward hidden values exist at once: bounds memory for long recordings.
constexpr int kFeedForwardFrames = 1024;

/// A tile of queries reaches positions this far beyond the farthest that a query attends to:
/// the other queries of its group, and the alignment of panels.
constexpr int kPositionSlack = 2 * kPanel;

}  // namespace

FeedForward::FeedForward(const Weights& weights, const std::string& index, int d_model, int d_ff)
    : d_model_(d_model),
      d_ff_(d_ff),
      norm_(weights, "norm_feed_forward" + index, d_model),
      linear1_(weights, "feed_forward" + index + ".linear1", d_model, d_ff),
      linear2_(weights, "feed_forward" + index + ".linear2", d_ff, d_model) {}

void FeedForward::operator()(Context& context, float* residual, int frames) const {
    Arena::Scope scope(context.arena);
    const int block = std::min(frames, kFeedForwardFrames);
    auto* normed = context.arena.allocate<float>(static_cast<size_t>(block) * d_model_);
    auto* hidden = context.arena.allocate<float>(static_cast<size_t>(block) * d_ff_);
    for (int begin = 0; begin < frames; begin += block) {
        const int count = std::min(block, frames - begin);
        float* x = residual + static_cast<size_t>(begin) * d_model_;
        norm_(context, x, count, normed);
        linear1_(context, normed, count, hidden, {.activation = Activation::silu});
        linear2_(context, hidden, count, x, {.residual = x, .scale = 0.5f});
    }
}

Convolution::Convolution(const Weights& weights, const EncoderConfig& config)
    : d_model_(config.d_model),
      layer_norm_(config.conv_layer_norm),
      norm_conv_(weights, "norm_conv", config.d_model),
      pointwise_conv1_(weights, "conv.pointwise_conv1", config.d_model, 2 * config.d_model,
                       Arrangement::glu),
      pointwise_conv2_(weights, "conv.pointwise_conv2", config.d_model, config.d_model),
      depthwise_conv_(weights, "conv.depthwise_conv", config.d_model, config.conv_kernel,
                      config.conv_left) {
    if (layer_norm_) batch_norm_ = LayerNorm(weights, "conv.batch_norm", config.d_model);
}

void Convolution::operator()(Context& context, float* residual, int frames) const {
    Arena::Scope scope(context.arena);
    const size_t size = static_cast<size_t>(frames) * d_model_;
    auto* normed = context.arena.allocate<float>(size);
    auto* gated = context.arena.allocate<float>(size);
    norm_conv_(context, residual, frames, normed);
    pointwise_conv1_(context, normed, frames, gated, {.activation = Activation::glu});
    float* convolved = normed;
    depthwise_conv_(context, gated, frames, convolved);
    if (layer_norm_) batch_norm_(context, convolved, frames, convolved);
    silu(context, convolved, size);
    pointwise_conv2_(context, convolved, frames, residual, {.residual = residual});
}

ConformerLayer::ConformerLayer(const Weights& weights, const EncoderConfig& config)
    : d_model_(config.d_model),
      feed_forward1_(weights, "1", config.d_model, config.d_ff),
      norm_self_att_(weights, "norm_self_att", config.d_model),
      self_attn_(weights / "self_attn", config.d_model, config.heads),
      conv_(weights, config),
      feed_forward2_(weights, "2", config.d_model, config.d_ff),
      norm_out_(weights, "norm_out", config.d_model) {}

void ConformerLayer::operator()(Context& context, float* x, int frames, const KeyRanges& ranges,
                                const RelativePositions& positions) const {
    feed_forward1_(context, x, frames);
    {
        Arena::Scope scope(context.arena);
        auto* normed = context.arena.allocate<float>(static_cast<size_t>(frames) * d_model_);
        norm_self_att_(context, x, frames, normed);
        self_attn_(context, normed, frames, ranges, positions, x);
    }
    conv_(context, x, frames);
    feed_forward2_(context, x, frames);
    norm_out_(context, x, frames, x);
}

ConformerEncoder::ConformerEncoder(const Weights& weights, const EncoderConfig& config)
    : config_(config),
      pre_encode_(weights / "encoder", config.subsampling, config.mel_bands, config.d_model) {
    for (int i = 0; i < config.layers; i++)
        layers_.emplace_back(weights / "encoder" / "layers" / std::to_string(i), config);
}

void ConformerEncoder::operator()(Context& context, const float* features, int frames,
                                  AttentionContext attention, float* y) const {
    pre_encode_(context, features, frames, y);
    const int n = output_frames(frames);
    if (config_.xscaling) {
        const float scale = std::sqrt(static_cast<float>(config_.d_model));
        for (size_t i = 0; i < static_cast<size_t>(n) * config_.d_model; i++) y[i] *= scale;
    }
    const KeyRanges ranges(config_.style, attention, n);
    Arena::Scope scope(context.arena);
    const int first = ranges.farthest_back() + kPositionSlack;
    const int count = first + ranges.farthest_ahead() + 1 + kPositionSlack;
    auto* encodings = context.arena.allocate<float>(static_cast<size_t>(count) * config_.d_model);
    encode_positions(first, count, config_.d_model, encodings);
    for (const ConformerLayer& layer : layers_)
        layer(context, y, n, ranges, {.encodings = encodings, .first = first, .count = count});
}

}  // namespace parrotlet
