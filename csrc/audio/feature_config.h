// What the features of a model are, from its metadata (docs/format.md).
#pragma once

#include "gguf/metadata.h"

namespace parrotlet {

/// Of NeMo's AudioToMelSpectrogramPreprocessor; lengths in samples.
struct FeatureConfig {
    int sample_rate, n_fft, window_length, hop_length, mel_bands;
    float preemphasis, log_zero_guard, mag_power;
    bool normalize_per_feature;
};

FeatureConfig read_features(const MetadataReader& reader);

}  // namespace parrotlet
