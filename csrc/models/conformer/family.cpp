#include "models/conformer/family.h"

#include "heads/registry.h"
#include "models/conformer/encoder.h"

namespace parrotlet {

namespace {

constexpr uint64_t kFormatVersion = 2;

}  // namespace

ModelParts load_conformer(const GgufFile& file, ThreadPool& pool) {
    const MetadataReader reader(file, kConformer, kFormatVersion);
    const FeatureConfig features = read_features(reader);
    const EncoderConfig config = read_conformer_encoder(reader, features);
    const std::optional<PromptConfig> prompt = read_prompt(reader);
    const std::vector<HeadLoader> loaders = head_loaders(reader);
    const Weights weights(file);
    LogMel frontend(weights, features);
    auto encoder = std::make_unique<ConformerEncoder>(weights, config, pool);
    std::optional<PromptKernel> kernel;
    if (prompt) kernel.emplace(weights, *prompt, config.d_model);
    return {.frontend = std::move(frontend),
            .encoder = std::move(encoder),
            .prompt = std::move(kernel),
            .heads = load_heads(loaders, weights, config.d_model)};
}

}  // namespace parrotlet
