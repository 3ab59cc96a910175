#include "models/lmu/encoder.h"

#include <algorithm>

namespace parrotlet {

namespace {

std::unique_ptr<LmuLayer> load_layer(const Weights& weights, const LmuEncoderConfig& config) {
    const int d_model = config.d_model;
    if (config.fft) return std::make_unique<LmuFft>(weights, d_model, d_model, config.memory);
    return std::make_unique<LmuCell>(weights / "cell", d_model, d_model, config.memory);
}

/// Carries the states of all layers from call to call: equal to the whole to the bit.
class LmuStream : public EncoderStream {
  public:
    explicit LmuStream(const LmuEncoder& encoder) : encoder_(encoder), states_(encoder.start()) {}

    void feed(Context& context, const FeatureRows& rows, std::vector<float>& encoded) override {
        const auto& [features, frames] = rows;
        if (frames == 0) return;
        const size_t before = encoded.size();
        encoded.resize(before + static_cast<size_t>(frames) * encoder_.d_model());
        encoder_.advance(context, features, frames, states_, encoded.data() + before);
    }

  private:
    const LmuEncoder& encoder_;
    std::vector<LmuState> states_;
};

}  // namespace

std::unique_ptr<EncoderStream> LmuEncoder::stream(Context& /*context*/,
                                                  AttentionContext /*attention*/) const {
    return std::make_unique<LmuStream>(*this);
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

size_t LmuEncoder::bytes() const {
    size_t total = input_projection_.bytes() + output_projection_.bytes();
    for (const Block& block : blocks_)
        total += (block.attention ? block.attention->bytes() : 0) + block.lmu->bytes() +
                 block.norm.bytes();
    return total;
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

void LmuEncoder::operator()(Context& context, std::span<const FeatureRows> recordings,
                            AttentionContext /*attention*/, float* y) const {
    for (const auto& [features, frames] : recordings) {
        std::vector<LmuState> states = start();
        const int block = can_stream() ? kRecurrentFrames : frames;
        for (int begin = 0; begin < frames; begin += block) {
            const auto first = static_cast<size_t>(begin);
            advance(context, features + first * config_.mel_bands, std::min(block, frames - begin),
                    states, y + first * config_.d_model);
        }
        y += static_cast<size_t>(frames) * config_.d_model;
    }
}

}  // namespace parrotlet
