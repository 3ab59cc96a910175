// Hyperparameters of the LMU family, from the metadata described in docs/format.md.
#pragma once

#include "audio/feature_config.h"

namespace parrotlet {

/// The value of general.architecture.
constexpr const char* kLmu = "lmu";

struct LmuEncoderConfig {
    int layers, d_model, memory, mel_bands;
    int heads;  ///< 0 without self-attention
    bool fft;   ///< layers of LmuFft rather than LmuCell
};

struct LmuConfig {
    FeatureConfig features;
    LmuEncoderConfig encoder;
    int vocab_size;  ///< without the blank, which comes last

    /// Throws ModelFileError for absent or impossible values, UnsupportedModelError for a newer
    /// format or a choice this runtime does not have.
    explicit LmuConfig(const GgufFile& file);

  private:
    explicit LmuConfig(const MetadataReader& reader);
};

}  // namespace parrotlet
