// Digital silence.
#pragma once

#include <span>

namespace parrotlet {

/// Whether there is no sample but zeros. They hold no speech; normalised over a recording, their
/// features would be rounding noise at full scale.
inline bool is_silent(std::span<const float> samples) {
    for (const float sample : samples)
        if (sample != 0.0f) return false;
    return true;
}

}  // namespace parrotlet
