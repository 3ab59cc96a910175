#include "audio/live_normalization.h"

#include <algorithm>

namespace parrotlet {

namespace {

/// Frames whose mean and deviation a preview starts with: one second at 10 ms.
constexpr uint64_t kPreviewStart = 100;

}  // namespace

void LiveNormalization::preview(std::span<const float> samples, std::vector<float>& features) {
    silence_.add(samples);
    recorded_.insert(recorded_.end(), features.begin(), features.end());
    std::vector<float> ready;
    for (size_t i = 0; i < features.size(); i += mel_bands_) {
        running_.add(features.data() + i);
        const uint64_t frames = running_.frames();
        if (frames < kPreviewStart) continue;
        const size_t count = frames == kPreviewStart ? frames : 1;
        const auto end = recorded_.begin() + static_cast<ptrdiff_t>(frames * mel_bands_);
        const size_t at = ready.size();
        ready.insert(ready.end(), end - static_cast<ptrdiff_t>(count * mel_bands_), end);
        running_.now().apply(ready.data() + at, static_cast<int>(count));
    }
    features = std::move(ready);
}

void LiveNormalization::finish(std::span<const float> features) {
    recorded_.insert(recorded_.end(), features.begin(), features.end());
    if (silence_.silent()) recorded_.clear();
    whole_.emplace(recorded_.data(), static_cast<int>(recorded_.size() / mel_bands_),
                   static_cast<int>(mel_bands_));
}

void LiveNormalization::next(size_t frames, std::vector<float>& features) {
    features.clear();
    if (!whole_) return;
    const size_t end = std::min(given_ + frames * mel_bands_, recorded_.size());
    features.assign(recorded_.begin() + static_cast<ptrdiff_t>(given_),
                    recorded_.begin() + static_cast<ptrdiff_t>(end));
    given_ = end;
    whole_->apply(features.data(), static_cast<int>(features.size() / mel_bands_));
}

}  // namespace parrotlet
