// A whole model: a file, a frontend, an encoder, named heads, and a prompt where it has one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "audio/log_mel.h"
#include "gguf/reader.h"
#include "heads/head.h"
#include "models/encoder.h"
#include "models/prompt_kernel.h"
#include "nn/executor.h"

namespace parrotlet {

/// What a family reads from a model file.
struct ModelParts {
    LogMel frontend;
    std::unique_ptr<Encoder> encoder;
    std::optional<PromptKernel> prompt = std::nullopt;  ///< between the encoder and the heads
    Heads heads;

    /// Of all weights, packed.
    size_t bytes() const {
        return frontend.bytes() + encoder->bytes() + (prompt ? prompt->bytes() : 0) + heads.bytes();
    }

    /// Gives frames[frames of all, d_model] of the encoder their prompts, if the model has any.
    void give_prompts(Context& context, std::span<const PromptedRows> sequences,
                      float* frames) const {
        if (prompt) (*prompt)(context, sequences, frames);
    }
};

/// Reads a family's parts, layers side by side on the pool. Throws ModelFileError or
/// UnsupportedModelError, naming the file.
using LoadParts = ModelParts (*)(const GgufFile& file, ThreadPool& pool);

/// All methods may be called from several threads at once. What the parts do is run by the
/// executor:
///
///     model.executor().run([&](Context& context) { model.encoder()(context, ...); });
class AcousticModel {
  public:
    AcousticModel(GgufFile file, LoadParts load, int threads)
        : file_(std::move(file)), executor_(threads), parts_(load(file_, executor_.pool())) {}

    const GgufFile& file() const { return file_; }
    const Executor& executor() const { return executor_; }
    const ModelParts& parts() const { return parts_; }
    const LogMel& frontend() const { return parts_.frontend; }
    const Encoder& encoder() const { return *parts_.encoder; }
    const Heads& heads() const { return parts_.heads; }
    /// 0 for a model without prompts.
    int prompts() const { return parts_.prompt ? parts_.prompt->prompts() : 0; }

  private:
    GgufFile file_;
    Executor executor_;
    ModelParts parts_;
};

/// Reads the parts of a model of the family that the file names, as LoadParts.
ModelParts load_parts(const GgufFile& file, ThreadPool& pool);

/// Loads a model of the family that the file names. Throws ModelFileError or UnsupportedModelError,
/// naming the file.
std::shared_ptr<AcousticModel> load_model(const std::string& path, int threads);

}  // namespace parrotlet
