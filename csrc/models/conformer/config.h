// Hyperparameters of the Conformer family, from the metadata described in docs/format.md.
#pragma once

#include "audio/feature_config.h"
#include "heads/config.h"
#include "nn/key_ranges.h"

namespace parrotlet {

/// The value of general.architecture.
constexpr const char* kConformer = "conformer";

struct SubsamplingConfig {
    bool depthwise;  ///< dw_striding rather than striding
    int factor, channels;
    bool causal;
};

struct EncoderConfig {
    int layers, d_model, d_ff, heads, mel_bands;
    bool xscaling;
    ContextStyle style;
    int conv_kernel, conv_left;
    bool conv_layer_norm;
    SubsamplingConfig subsampling;
};

struct ConformerConfig {
    FeatureConfig features;
    EncoderConfig encoder;
    DecoderConfig decoder;

    /// Throws ModelFileError for absent or impossible values, UnsupportedModelError for a newer
    /// format or a choice this runtime does not have.
    explicit ConformerConfig(const GgufFile& file);

  private:
    explicit ConformerConfig(const MetadataReader& reader);
};

}  // namespace parrotlet
