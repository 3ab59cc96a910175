#include "models/acoustic_stream.h"

namespace parrotlet {

AcousticStream::AcousticStream(std::shared_ptr<const AcousticModel> model,
                               AttentionContext attention)
    : model_(std::move(model)), attention_(attention), log_mel_(model_->frontend()) {
    encoder_ = model_->executor().run(
        [&](Context& context) { return model_->encoder().stream(context, attention_); });
    const FeatureConfig& config = model_->frontend().config();
    if (config.normalize_per_feature) live_.emplace(config.mel_bands);
}

/// Appends the encoder's frames for features_.
void AcousticStream::encode(Context& context, std::vector<float>& encoded) {
    const size_t frames = features_.size() / model_->frontend().config().mel_bands;
    encoder_->feed(context, features_.data(), static_cast<int>(frames), encoded);
}

void AcousticStream::feed(std::span<const float> samples, std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    model_->executor().run([&](Context& context) {
        features_.clear();
        log_mel_.feed(context, samples, features_);
        if (live_) live_->preview(samples, features_);
        encode(context, encoded);
    });
}

void AcousticStream::finish(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    model_->executor().run([&](Context& context) {
        features_.clear();
        log_mel_.finish(context, features_);
        if (live_) {
            live_->finish(features_);
            encoder_ = model_->encoder().stream(context, attention_);
            return;
        }
        encode(context, encoded);
        encoder_->finish(context, encoded);
    });
}

void AcousticStream::revise(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    if (!live_) return;
    model_->executor().run([&](Context& context) {
        live_->next(kRevisedFrames, features_);
        encode(context, encoded);
    });
}

}  // namespace parrotlet
