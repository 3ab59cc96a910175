// A whole model: a file, a frontend, an encoder and named heads.
#pragma once

#include <memory>
#include <string>

#include "audio/log_mel.h"
#include "gguf/reader.h"
#include "heads/head.h"
#include "models/encoder.h"
#include "nn/executor.h"

namespace parrotlet {

/// What a family reads from a model file.
struct ModelParts {
    LogMel frontend;
    std::unique_ptr<Encoder> encoder;
    Heads heads;
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
