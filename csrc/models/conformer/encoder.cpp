#include "models/conformer/encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace parrotlet {

FeedForward::FeedForward(const Weights& weights, const std::string& index, int d_model, int d_ff)
    : d_model_(d_model),
      norm_(weights, "norm_feed_forward" + index, d_model),
      linear1_(weights, "feed_forward" + index + ".linear1", d_model, d_ff),
      linear2_(weights, "feed_forward" + index + ".linear2", d_ff, d_model) {}

void FeedForward::operator()(Context& context, float* residual, int frames) const {
    const StageTimer timer(context.times, Stage::feed_forward);
    const int blocks = std::max(1, (frames + kFeedForwardFrames - 1) / kFeedForwardFrames);
    const int block = (frames + blocks - 1) / blocks;
    for (int begin = 0; begin < frames; begin += block) {
        Arena::Scope scope(context.arena);
        float* x = residual + static_cast<size_t>(begin) * d_model_;
        const PackedRows normed = norm_(context, x, std::min(block, frames - begin), linear1_);
        const PackedRows hidden =
            linear1_(context, normed, linear2_, {.activation = Activation::silu});
        linear2_(context, hidden, x, {.residual = x, .scale = 0.5f});
        if (context.counts()) break;  // no later block is larger
    }
}

Convolution::Convolution(const Weights& weights, const EncoderConfig& config)
    : d_model_(config.d_model),
      kernel_(config.conv_kernel),
      left_(config.conv_left),
      layer_norm_(config.conv_layer_norm),
      norm_conv_(weights, "norm_conv", config.d_model),
      pointwise_conv1_(weights, "conv.pointwise_conv1", config.d_model, 2 * config.d_model,
                       Arrangement::glu),
      pointwise_conv2_(weights, "conv.pointwise_conv2", config.d_model, config.d_model),
      depthwise_conv_(weights, "conv.depthwise_conv", config.d_model, config.conv_kernel,
                      config.conv_left) {
    if (layer_norm_) batch_norm_ = LayerNorm(weights, "conv.batch_norm", config.d_model);
}

void Convolution::operator()(Context& context, float* residual,
                             std::span<const Sequence> sequences) const {
    const StageTimer timer(context.times, Stage::convolution);
    Arena::Scope scope(context.arena);
    const int frames = total_rows(sequences);
    const size_t size = static_cast<size_t>(frames) * d_model_;
    auto* gated = context.arena.allocate<float>(size);
    auto* convolved = context.arena.allocate<float>(size);
    gate(context, residual, frames, gated);
    std::vector<ConvolvedRows> rows;
    size_t at = 0;
    for (const Sequence& sequence : sequences) {
        rows.push_back({.x = gated + at,
                        .past = 0,
                        .frames = sequence.rows,
                        .y = convolved + at,
                        .history = sequence.history});
        at += static_cast<size_t>(sequence.rows) * d_model_;
    }
    depthwise_conv_(context, rows);
    project(context, convolved, frames, residual);
}

/// gated[frames, d_model], what the depthwise convolution is given for x.
void Convolution::gate(Context& context, const float* x, int frames, float* gated) const {
    Arena::Scope scope(context.arena);
    const PackedRows normed = norm_conv_(context, x, frames, pointwise_conv1_);
    pointwise_conv1_(context, normed, gated, {.activation = Activation::glu});
}

/// Adds to residual what follows the depthwise convolution.
void Convolution::project(Context& context, const float* convolved, int frames,
                          float* residual) const {
    Arena::Scope scope(context.arena);
    const KernelTable& kernels = context.kernels;
    const PackedRows activated =
        pointwise_conv2_.pack(context, frames, [&](int row, int count, float* out) {
            const float* x = convolved + static_cast<size_t>(row) * d_model_;
            if (layer_norm_) {
                batch_norm_.run_serial(kernels, x, count, out);
                x = out;
            }
            kernels.silu(x, static_cast<size_t>(count) * d_model_, out);
        });
    pointwise_conv2_(context, activated, residual, {.residual = residual});
}

ConformerLayer::ConformerLayer(const Weights& weights, const EncoderConfig& config)
    : d_model_(config.d_model),
      global_token_(config.global_token),
      feed_forward1_(weights, "1", config.d_model, config.d_ff),
      norm_self_att_(weights, "norm_self_att", config.d_model),
      self_attn_(weights / "self_attn", config),
      conv_(weights, config),
      feed_forward2_(weights, "2", config.d_model, config.d_ff),
      norm_out_(weights, "norm_out", config.d_model) {}

void ConformerLayer::operator()(Context& context, float* x,
                                std::span<const Sequence> sequences) const {
    while (!sequences.empty()) {
        const auto long_one = std::ranges::find_if(
            sequences, [&](const Sequence& sequence) { return goes_in_pieces(sequence); });
        const auto others = sequences.first(long_one - sequences.begin());
        if (!others.empty()) together(context, x, others);
        x += static_cast<size_t>(total_rows(others)) * d_model_;
        sequences = sequences.subspan(others.size());
        if (sequences.empty()) return;
        in_pieces(context, x, sequences[0]);
        x += static_cast<size_t>(sequences[0].rows) * d_model_;
        sequences = sequences.subspan(1);
    }
}

void ConformerLayer::together(Context& context, float* x,
                              std::span<const Sequence> sequences) const {
    const int frames = total_rows(sequences);
    feed_forward1_(context, x, frames);
    {
        const StageTimer timer(context.times, Stage::attention);
        Arena::Scope scope(context.arena);
        const PackedRows normed = norm_self_att_(context, x, frames, self_attn_.qkv());
        self_attn_(context, normed, sequences, x);
    }
    conv_(context, x, sequences);
    feed_forward2_(context, x, frames);
    norm_out_(context, x, frames, x);
}

ConformerEncoder::ConformerEncoder(const Weights& weights, const EncoderConfig& config,
                                   ThreadPool& pool)
    : config_(config),
      pre_encode_(weights / "encoder" / "pre_encode", config.subsampling, config.mel_bands,
                  config.d_model),
      layers_(config.layers) {
    pool.parallel_for(layers_.size(), [&](size_t i) {
        layers_[i] = std::make_unique<ConformerLayer>(
            weights / "encoder" / "layers" / std::to_string(i), config);
    });
    if (config.reduction)
        reduction_.emplace(weights / "encoder" / "reduction_subsampling", *config.reduction,
                           config.d_model);
}

size_t ConformerEncoder::bytes() const {
    size_t total = pre_encode_.bytes() + (reduction_ ? reduction_->bytes() : 0);
    for (const auto& layer : layers_) total += layer->bytes();
    return total;
}

void ConformerEncoder::pre_encode(Context& context, std::span<const SubsampledRows> sequences,
                                  float* y) const {
    const StageTimer timer(context.times, Stage::subsampling);
    pre_encode_(context, sequences, y);
    if (!config_.xscaling || context.counts()) return;
    const float scale = std::sqrt(static_cast<float>(config_.d_model));
    size_t rows = 0;
    for (const SubsampledRows& sequence : sequences) rows += sequence.end - sequence.begin;
    for (size_t i = 0; i < rows * config_.d_model; i++) y[i] *= scale;
}

ConformerEncoder::Subsampled ConformerEncoder::subsample(Context& context,
                                                         std::span<const FeatureRows> recordings,
                                                         float* y) const {
    std::vector<SubsampledRows> subsampled;
    std::vector<int> frames;
    size_t total = 0;
    for (const auto& [features, count] : recordings) {
        frames.push_back(pre_encode_.output_frames(count));
        total += frames.back();
        subsampled.push_back(
            {.features = features, .frames = count, .begin = 0, .end = frames.back()});
    }
    float* x = reduction_ ? context.arena.allocate<float>(total * config_.d_model) : y;
    pre_encode(context, subsampled, x);
    return {std::move(frames), x};
}

void ConformerEncoder::run_blocks(Context& context, Blocks blocks, std::span<const int> frames,
                                  AttentionContext attention, float* x) const {
    if (blocks.begin == blocks.end || std::ranges::all_of(frames, [](int n) { return n == 0; }))
        return;
    std::vector<KeyRanges> ranges;
    int back = 0, ahead = 0;
    for (const int count : frames) {
        ranges.emplace_back(config_.style, attention, count);
        back = std::max(back, ranges.back().farthest_back());
        ahead = std::max(ahead, ranges.back().farthest_ahead());
    }
    const PositionSpan span(back, ahead);
    const auto positions = positions_.get(context, *this, span);

    // Positions of very long recordings are projected layer by layer and not kept.
    Arena::Scope scope(context.arena);
    const float* encodings = nullptr;
    PositionPanels panels{};
    std::byte* memory = nullptr;
    if (!positions) {
        auto* rows =
            context.arena.allocate<float>(static_cast<size_t>(span.count) * config_.d_model);
        if (!context.counts()) encode_positions(span.first, span.count, config_.d_model, rows);
        const auto& attn = layers_[0]->self_attn();
        memory = context.arena.allocate<std::byte>(attn.position_bytes(context, span.count));
        encodings = rows;
        panels = {.data = memory,
                  .first = span.first,
                  .stride = attn.head_position_bytes(context, span.count)};
    }
    std::vector<Sequence> sequences(frames.size());
    for (int i = blocks.begin; i < blocks.end; i++) {
        if (positions)
            panels = positions->layer(i);
        else
            layers_[i]->self_attn().project_positions(context, encodings, span.count, memory);
        for (size_t s = 0; s < sequences.size(); s++)
            sequences[s] = {.rows = frames[s], .ranges = &ranges[s], .positions = panels};
        (*layers_[i])(context, x, sequences);
    }
}

void ConformerEncoder::run(Context& context, Subsampled subsampled, AttentionContext attention,
                           float* y) const {
    auto& [frames, x] = subsampled;
    const int reduced = reduction_ ? config_.reduction->position + 1 : config_.layers;
    run_blocks(context, {0, reduced}, frames, attention, x);
    if (!reduction_) return;
    (*reduction_)(context, frames, x, y);
    for (int& count : frames) count = reduction_->output_frames(count);
    run_blocks(context, {reduced, config_.layers}, frames, attention, y);
}

void ConformerEncoder::operator()(Context& context, std::span<const FeatureRows> recordings,
                                  AttentionContext attention, float* y) const {
    Arena::Scope scope(context.arena);
    run(context, subsample(context, recordings, y), attention, y);
}

void ConformerEncoder::encode(Context& context, OwnedFeatures recording, AttentionContext attention,
                              float* y) const {
    Arena::Scope scope(context.arena);
    const FeatureRows rows{recording.features.get(), recording.frames};
    Subsampled subsampled = subsample(context, {&rows, 1}, y);
    recording.features.reset();
    run(context, std::move(subsampled), attention, y);
}

size_t ConformerEncoder::kept_bytes(const Context& context, int frames,
                                    AttentionContext attention) const {
    const KeyRanges ranges(config_.style, attention, pre_encode_.output_frames(frames));
    const PositionSpan span(ranges.farthest_back(), ranges.farthest_ahead());
    const size_t bytes = ProjectedPositions::bytes(context, *this, span);
    return bytes <= PositionCache::kMostBytes ? bytes : 0;
}

}  // namespace parrotlet
