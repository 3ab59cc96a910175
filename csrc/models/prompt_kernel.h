// The language prompt that joins every encoder frame before the heads.
#pragma once

#include <optional>
#include <span>

#include "gguf/metadata.h"
#include "nn/layers.h"

namespace parrotlet {

struct PromptConfig {
    int prompts;  ///< that there are to choose from
    int hidden;   ///< width between the two layers
};

/// Nothing where the model has no prompts. Throws ModelFileError for impossible sizes.
std::optional<PromptConfig> read_prompt(const MetadataReader& reader);

/// The next frames of a sequence, and which of the prompts they are given.
struct PromptedRows {
    int frames, prompt;
};

/// NeMo's prompt_kernel (PromptStreamingMixin): the one-hot prompt is appended to a frame, then
/// come a Linear, ReLU and a Linear. The first of these adds, for a prompt, one column of its
/// weight and its bias: rows that the file has ready, one for each prompt.
class PromptKernel {
  public:
    PromptKernel(const Weights& weights, const PromptConfig& config, int d_model);

    int prompts() const { return static_cast<int>(prompt_bias_.size()) / linear1_.out(); }
    size_t bytes() const { return linear1_.bytes() + prompt_bias_.bytes() + linear2_.bytes(); }

    /// Replaces x[frames of all, d_model], one sequence after the other. Sequences share the
    /// products; each gives to the bit what it gives alone.
    void operator()(Context& context, std::span<const PromptedRows> sequences, float* x) const;

  private:
    Linear linear1_, linear2_;
    Buffer<float> prompt_bias_;  ///< [prompts, hidden]
};

}  // namespace parrotlet
