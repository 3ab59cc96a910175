// Features of a live recording, where the model wants them normalised over the whole of it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "audio/normalization.h"
#include "audio/silence.h"

namespace parrotlet {

/// Gives a preview while the recording arrives, normalised with what has arrived so far, and
/// after its end the features as they are.
class LiveNormalization {
  public:
    explicit LiveNormalization(int mel_bands) : mel_bands_(mel_bands), running_(mel_bands) {}

    /// Replaces `features`, which `samples` completed, with those to preview: each frame with the
    /// mean and deviation up to it, and none before there are enough.
    void preview(std::span<const float> samples, std::vector<float>& features);

    /// Takes the last features.
    void finish(std::span<const float> features);

    /// Replaces `features` with the next `frames` at most of the finished recording, from its first
    /// one on; empty at the end, for a recording of digital silence, and before finish().
    void next(size_t frames, std::vector<float>& features);

  private:
    size_t mel_bands_;
    RunningNormalization running_;
    std::optional<Normalization> whole_;  ///< of the finished recording
    std::vector<float> recorded_;         ///< features, not normalised
    size_t given_ = 0;                    ///< how many of them next() has given
    SilenceDetector silence_;             ///< of all samples
};

}  // namespace parrotlet
