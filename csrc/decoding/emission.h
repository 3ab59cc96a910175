// The common output of all searches.
#pragma once

#include <cstdint>

namespace parrotlet {

/// A token at the encoder frame of its emission.
struct Emission {
    static constexpr int kNoDuration = -1;

    int token;
    int64_t frame;      ///< from the start of the recording
    int duration;       ///< in encoder frames, from TDT heads; otherwise kNoDuration
    double confidence;  ///< from 0 to 1
};

}  // namespace parrotlet
