// Digital silence.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

namespace parrotlet {

/// Samples that differ by less than this, the step of 24 bits, are digital silence: zeros, or any
/// other constant. They hold no speech; normalised over a recording, their features would be
/// rounding noise at full scale. Resampling may leave half a step on either side.
constexpr float kSilentRange = 0x1p-23f;

/// Whether consecutive pieces of samples are digital silence, all together.
class SilenceDetector {
  public:
    void add(std::span<const float> samples) {
        for (const float sample : samples) {
            lowest_ = std::min(lowest_, sample);
            highest_ = std::max(highest_, sample);
            number_ = number_ && sample == sample;
        }
    }

    bool silent() const {
        return number_ && (lowest_ > highest_ || highest_ - lowest_ < kSilentRange);
    }

  private:
    float lowest_ = std::numeric_limits<float>::infinity();
    float highest_ = -std::numeric_limits<float>::infinity();
    bool number_ = true;  ///< no sample is NaN
};

inline bool is_silent(std::span<const float> samples) {
    SilenceDetector detector;
    detector.add(samples);
    return detector.silent();
}

}  // namespace parrotlet
