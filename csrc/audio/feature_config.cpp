#include "audio/feature_config.h"

#include "errors.h"

namespace parrotlet {

FeatureConfig read_features(const MetadataReader& r) {
    FeatureConfig f{
        .sample_rate = r.integer("features.sample_rate"),
        .n_fft = r.integer("features.n_fft", 2, 8192),
        .window_length = r.integer("features.window_length", 1, 8192),
        .hop_length = r.integer("features.hop_length", 1, 8192),
        .mel_bands = r.integer("features.mel_bands", 1, 4096),
        .preemphasis = r.real("features.preemphasis"),
        .log_zero_guard = r.real("features.log_zero_guard"),
        .mag_power = r.real("features.mag_power"),
        .normalize_per_feature = r.choice("features.normalize", "per_feature", "none"),
    };
    if (f.window_length > f.n_fft)
        throw ModelFileError(r.file().path() + ": the analysis window is longer than the FFT");
    return f;
}

}  // namespace parrotlet
