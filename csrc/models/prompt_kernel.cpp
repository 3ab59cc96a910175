#include "models/prompt_kernel.h"

#include <algorithm>
#include <vector>

namespace parrotlet {

namespace {

constexpr int kMostPrompts = 1024;
constexpr int kRows = 256;  // that go through both layers at a time: bounds what lies between them

}  // namespace

std::optional<PromptConfig> read_prompt(const MetadataReader& reader) {
    if (!reader.has("prompt.count")) return std::nullopt;
    return PromptConfig{.prompts = reader.integer("prompt.count", 1, kMostPrompts),
                        .hidden = reader.integer("prompt.hidden", 1, 1 << 16)};
}

PromptKernel::PromptKernel(const Weights& weights, const PromptConfig& config, int d_model)
    : linear1_(weights, "prompt_kernel.0", d_model, config.hidden),
      linear2_(weights, "prompt_kernel.2", config.hidden, d_model),
      prompt_bias_(weights.values("prompt_kernel.0.prompt_bias",
                                  {size_t(config.prompts), size_t(config.hidden)})) {}

void PromptKernel::operator()(Context& context, std::span<const PromptedRows> sequences,
                              float* x) const {
    const StageTimer timer(context.times, Stage::decoding);
    std::vector<const float*> biases;  // of each row
    for (const auto& [frames, prompt] : sequences)
        biases.insert(biases.end(), frames, prompt_bias_.data() + size_t(prompt) * linear1_.out());
    const size_t hidden = linear1_.out(), d_model = linear1_.in();
    for (size_t first = 0; first < biases.size(); first += kRows) {
        Arena::Scope scope(context.arena);
        const int rows = static_cast<int>(std::min<size_t>(kRows, biases.size() - first));
        float* frames = x + first * d_model;
        auto* between = context.arena.allocate<float>(rows * hidden);
        linear1_(context, frames, rows, between);
        const PackedRows packed = linear2_.pack(context, rows, [&](int row, int count, float* out) {
            for (int i = row; i < row + count; i++, out += hidden)
                context.kernels.relu_add(between + i * hidden, biases[first + i],
                                         static_cast<int>(hidden), out);
        });
        linear2_(context, packed, frames);
    }
}

}  // namespace parrotlet
