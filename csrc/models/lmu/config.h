// Hyperparameters of the LMU family, from the metadata described in docs/format.md.
#pragma once

#include "gguf/metadata.h"

namespace parrotlet {

struct LmuEncoderConfig {
    int layers, d_model, memory, mel_bands;
    int heads;  ///< 0 without self-attention
    bool fft;   ///< layers of LmuFft rather than LmuCell
};

/// Throws ModelFileError for absent or impossible values, UnsupportedModelError for a choice this
/// runtime does not have.
LmuEncoderConfig read_lmu_encoder(const MetadataReader& reader);

}  // namespace parrotlet
