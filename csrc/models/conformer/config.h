// Hyperparameters of the Conformer family, from the metadata described in docs/format.md.
#pragma once

#include <optional>

#include "audio/feature_config.h"
#include "nn/key_ranges.h"

namespace parrotlet {

struct SubsamplingConfig {
    bool depthwise;  ///< dw_striding rather than striding
    int factor, channels;
    bool causal;
};

/// NeMo's SubsamplingReductionModule, after one of the blocks.
struct ReductionConfig {
    bool pooling;  ///< rather than striding
    int factor;
    int position;  ///< the block that it follows
};

struct EncoderConfig {
    int layers, d_model, d_ff, heads, mel_bands;
    bool xscaling;
    ContextStyle style;
    bool global_token;  ///< of attention within a window: the first frame
    int conv_kernel, conv_left;
    bool conv_layer_norm;
    SubsamplingConfig subsampling;
    std::optional<ReductionConfig> reduction;
    bool can_stream;  ///< trained in chunks, on features that do not wait for the recording's end
};

/// Throws ModelFileError for absent or impossible values, UnsupportedModelError for a choice this
/// runtime does not have.
EncoderConfig read_conformer_encoder(const MetadataReader& reader, const FeatureConfig& features);

}  // namespace parrotlet
