#include "models/lmu.h"

#include <algorithm>

#include "models/attention.h"

namespace parrotlet {

namespace {

std::unique_ptr<LmuLayer> load_layer(const Weights& weights, const LmuEncoderConfig& config) {
    const int d_model = config.d_model;
    if (config.fft) return std::make_unique<LmuFft>(weights, d_model, d_model, config.memory);
    return std::make_unique<LmuCell>(weights / "cell", d_model, d_model, config.memory);
}

}  // namespace

SelfAttention::SelfAttention(const Weights& weights, int d_model, int heads)
    : d_model_(d_model),
      heads_(heads),
      d_head_(d_model / heads),
      w_qkv_(weights, std::initializer_list<std::string>{"w_q", "w_k", "w_v"}, d_model, d_model),
      w_o_(weights, "w_o", d_model, d_model),
      layer_norm_(weights, "layer_norm", d_model) {}

void SelfAttention::operator()(Context& context, float* x, int frames) const {
    const StageTimer timer(context.times, Stage::attention);
    Arena::Scope scope(context.arena);
    const size_t d = d_model_, n = frames;
    auto* qkv = context.arena.allocate<float>(n * 3 * d);
    w_qkv_(context, x, frames, qkv);
    const AttentionKernel& kernel =
        w_qkv_.quantised() ? context.kernels.attention_q8 : context.kernels.attention_f32;
    const PackedKeyValues packed =
        pack_key_values(context, kernel, heads_, d_head_, qkv + d, qkv + 2 * d, 3 * d, frames);
    auto* attended = context.arena.allocate<float>(n * d);
    attend_heads(context, kernel, heads_, d_head_, {.q = qkv, .stride = 3 * d, .frames = frames},
                 packed, KeyRanges(frames, 0, frames), attended);
    w_o_(context, attended, frames, x, {.residual = x});
    layer_norm_(context, x, frames, x);
}

LmuEncoder::LmuEncoder(const Weights& weights, const LmuEncoderConfig& config, ThreadPool& pool)
    : config_(config),
      input_projection_(weights / "encoder", "input_projection", config.mel_bands, config.d_model),
      output_projection_(weights / "encoder", "output_projection", config.d_model, config.d_model),
      blocks_(config.layers) {
    const Weights encoder = weights / "encoder";
    pool.parallel_for(blocks_.size(), [&](size_t i) {
        const std::string index = std::to_string(i);
        if (config.heads > 0)
            blocks_[i].attention = std::make_unique<SelfAttention>(
                encoder / "attention_layers" / index / "attention", config.d_model, config.heads);
        blocks_[i].lmu = load_layer(encoder / "lmu_layers" / index, config);
        blocks_[i].norm = LayerNorm(encoder, "layer_norms." + index, config.d_model);
    });
}

std::vector<LmuState> LmuEncoder::start() const {
    return std::vector<LmuState>(config_.layers, LmuState(config_.d_model, config_.memory));
}

void LmuEncoder::advance(Context& context, const float* features, int frames,
                         std::vector<LmuState>& states, float* y) const {
    Arena::Scope scope(context.arena);
    auto* x = context.arena.allocate<float>(static_cast<size_t>(frames) * config_.d_model);
    input_projection_(context, features, frames, x);
    for (size_t i = 0; i < blocks_.size(); i++) {
        if (blocks_[i].attention) (*blocks_[i].attention)(context, x, frames);
        (*blocks_[i].lmu)(context, x, frames, states[i], y);
        blocks_[i].norm(context, y, frames, x);
    }
    output_projection_(context, x, frames, y);
}

void LmuEncoder::operator()(Context& context, const float* features, int frames, float* y) const {
    std::vector<LmuState> states = start();
    const int block = is_recurrent() ? kRecurrentFrames : frames;
    for (int begin = 0; begin < frames; begin += block) {
        const auto first = static_cast<size_t>(begin);
        advance(context, features + first * config_.mel_bands, std::min(block, frames - begin),
                states, y + first * config_.d_model);
    }
}

}  // namespace parrotlet
