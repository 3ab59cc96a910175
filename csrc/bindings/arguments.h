// Checks of arguments that several functions take.
#pragma once

#include <span>

#include "bindings/arrays.h"
#include "nn/key_ranges.h"

namespace parrotlet {

inline std::span<const float> checked_samples(const FloatArray& samples) {
    require_rank(samples, 1, "samples");
    return {samples.data(), size_t(samples.size())};
}

inline AttentionContext checked_attention(int left, int right) {
    if (left < -1 || right < -1)
        throw py::value_error("an attention context is -1 (unlimited) or a count of frames");
    return {left, right};
}

}  // namespace parrotlet
