// Mean and deviation of features over time (NeMo's normalize_batch, "per_feature").
#pragma once

#include <cstdint>
#include <vector>

namespace parrotlet {

/// Takes every feature to mean 0 and deviation 1.
class Normalization {
  public:
    /// Measures features[frames, size].
    Normalization(const float* features, int frames, int size);

    /// features[frames, size], in place.
    void apply(float* features, int frames) const;

  private:
    friend class RunningNormalization;
    explicit Normalization(int size) : mean_(size), scale_(size) {}

    std::vector<double> mean_, scale_;
};

/// The same with what has been measured so far.
class RunningNormalization {
  public:
    explicit RunningNormalization(int size) : now_(size), squares_(size) {}

    uint64_t frames() const { return frames_; }

    /// Measures one frame more (Welford's algorithm).
    void add(const float* frame);

    const Normalization& now() const { return now_; }

  private:
    Normalization now_;
    std::vector<double> squares_;  ///< sums of squared distances from the mean
    uint64_t frames_ = 0;
};

}  // namespace parrotlet
