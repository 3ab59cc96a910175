#include "audio/normalization.h"

#include <cmath>

namespace parrotlet {

namespace {

/// normalize_batch's CONSTANT, added to the standard deviation.
constexpr double kStdGuard = 1e-5;

/// Of `frames` frames. The deviation is unbiased; one frame has none, which NeMo takes as zero.
double scale_for(double squares, uint64_t frames) {
    const double deviation = frames > 1 ? std::sqrt(squares / static_cast<double>(frames - 1)) : 0;
    return 1.0 / (deviation + kStdGuard);
}

}  // namespace

Normalization::Normalization(const float* features, int frames, int size) : Normalization(size) {
    const auto mels = static_cast<size_t>(size);
    std::vector<double> squares(mels);
    for (int t = 0; t < frames; t++)
        for (size_t m = 0; m < mels; m++) mean_[m] += features[t * mels + m];
    for (double& value : mean_) value /= frames;
    for (int t = 0; t < frames; t++)
        for (size_t m = 0; m < mels; m++) {
            const double d = features[t * mels + m] - mean_[m];
            squares[m] += d * d;
        }
    for (size_t m = 0; m < mels; m++) scale_[m] = scale_for(squares[m], frames);
}

void Normalization::apply(float* features, int frames) const {
    const size_t mels = mean_.size();
    for (int t = 0; t < frames; t++)
        for (size_t m = 0; m < mels; m++) {
            float& value = features[t * mels + m];
            value = static_cast<float>((value - mean_[m]) * scale_[m]);
        }
}

void RunningNormalization::add(const float* frame) {
    frames_++;
    for (size_t m = 0; m < squares_.size(); m++) {
        const double before = frame[m] - now_.mean_[m];
        now_.mean_[m] += before / static_cast<double>(frames_);
        squares_[m] += before * (frame[m] - now_.mean_[m]);
        now_.scale_[m] = scale_for(squares_[m], frames_);
    }
}

}  // namespace parrotlet
