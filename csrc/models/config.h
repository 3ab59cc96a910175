// Hyperparameters of the Conformer family, from the metadata described in docs/format.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/metadata.h"

namespace parrotlet {

/// The value of general.architecture.
constexpr const char* kConformer = "conformer";

/// How many encoder frames a frame may look back (left) and ahead (right); -1 is without limit.
/// NeMo's att_context_size.
struct AttentionContext {
    int left = -1, right = -1;
};

/// NeMo's att_context_style: a window around each frame, or whole chunks of right + 1 frames that
/// see each other and the chunks before them.
enum class ContextStyle { regular, chunked_limited };

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

/// The heads a checkpoint has, and the sizes of what hangs off the encoder.
struct DecoderConfig {
    bool ctc, transducer;
    int vocab_size;   ///< without the blank, which comes last
    int n_durations;  ///< of a TDT joint; 0 for RNNT
    int predictor_hidden, predictor_layers, joint_hidden;
    std::string joint_activation;
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
