#include "models/lmu/family.h"

#include "heads/ctc.h"
#include "models/lmu/encoder.h"

namespace parrotlet {

namespace {

constexpr uint64_t kFormatVersion = 1;

}  // namespace

ModelParts load_lmu(const GgufFile& file, ThreadPool& pool) {
    const MetadataReader reader(file, kLmu, kFormatVersion);
    const FeatureConfig features = read_features(reader);
    const LmuEncoderConfig config = read_lmu_encoder(reader);
    const int vocab_size = reader.integer("vocab_size");
    const Weights weights(file);
    LogMel frontend(weights, features);
    auto encoder = std::make_unique<LmuEncoder>(weights, config, pool);
    Heads heads;
    heads.add("ctc", std::make_unique<CtcHead>(weights, "decoder.ctc_projection", config.d_model,
                                               vocab_size));
    return {
        .frontend = std::move(frontend), .encoder = std::move(encoder), .heads = std::move(heads)};
}

}  // namespace parrotlet
