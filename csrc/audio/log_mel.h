// Log-mel features, as NeMo's AudioToMelSpectrogramPreprocessor (FilterbankFeatures).
#pragma once

#include <vector>

#include "audio/feature_config.h"
#include "audio/normalization.h"
#include "nn/packed_matrix.h"
#include "nn/weights.h"

namespace parrotlet {

constexpr int kMelTaskFrames = 48;  ///< frames a task computes at once

/// Frames whose pre-emphasised samples exist at once: two minutes, as a rule.
constexpr int kMelBlockFrames = 256 * kMelTaskFrames;

/// Pre-emphasis; a short-time Fourier transform with centred frames and zero padding; power; mel
/// bands; log with an added guard; per-feature normalisation over time, if the model wants it.
///
/// The transform is a matrix product: a frame has only window_length non-zero samples, and rows of
/// the matrix carry the window, so it costs about what an FFT would and runs at the speed of the
/// other products.
class LogMel {
  public:
    /// Reads "preprocessor.featurizer".window and .fb.
    LogMel(const Weights& weights, const FeatureConfig& config);

    const FeatureConfig& config() const { return config_; }
    int mel_bands() const { return config_.mel_bands; }
    size_t bytes() const { return dft_.bytes() + fb_.bytes(); }  ///< of the matrices, packed

    /// Frames of a recording: one per hop, the last partial hop left out.
    int frames(size_t samples) const { return static_cast<int>(samples / config_.hop_length); }

    /// features[frames(samples.size()), mel_bands].
    void operator()(Context& context, std::span<const float> samples, float* features) const;

  private:
    friend class LogMelStream;

    /// Samples that a frame covers before the one it is centred on.
    int lead() const;

    /// out[i] = samples[i] - preemphasis * samples[i - 1], the first one following `previous`.
    void pre_emphasize(std::span<const float> samples, float previous, float* out) const;

    /// Features, not normalised, of `count` frames; x holds the pre-emphasised samples under them.
    void transform(Context& context, const float* x, int count, float* features) const;
    void transform_block(Context& context, std::span<const float> samples, int first, int count,
                         float* features) const;
    void power(const float* spectrum, int count, float* power) const;

    FeatureConfig config_;
    int bins_;
    PackedMatrix dft_;  ///< [2 bins, window_length]: windowed cosines, then sines
    PackedMatrix fb_;   ///< [mel_bands, bins]
};

/// The same features from samples that arrive piece by piece, equal to the bit, before they are
/// normalised, which would need the whole recording.
class LogMelStream {
  public:
    explicit LogMelStream(const LogMel& log_mel);

    /// Appends to `features` the frames that `samples` complete.
    void feed(Context& context, std::span<const float> samples, std::vector<float>& features);

    /// Appends the frames that reach beyond the last sample.
    void finish(Context& context, std::vector<float>& features);

  private:
    void emit(Context& context, int count, std::vector<float>& features);

    const LogMel& log_mel_;
    std::vector<float> pending_;  ///< pre-emphasised samples from the next frame's first on
    float previous_ = 0.0f;
    uint64_t samples_ = 0, frames_ = 0;
};

}  // namespace parrotlet
