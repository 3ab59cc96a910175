#include "models/acoustic_stream.h"

#include <algorithm>
#include <functional>

namespace parrotlet {

AcousticStream::AcousticStream(std::shared_ptr<const AcousticModel> model,
                               AttentionContext attention)
    : model_(std::move(model)), attention_(attention), log_mel_(model_->frontend()) {
    encoder_ = model_->executor().run(
        [&](Context& context) { return model_->encoder().stream(context, attention_); });
    const FeatureConfig& config = model_->frontend().config();
    if (config.normalize_per_feature) live_.emplace(config.mel_bands);
}

/// features_, as the encoder takes them.
FeatureRows AcousticStream::rows() const {
    const size_t frames = features_.size() / model_->frontend().config().mel_bands;
    return {features_.data(), static_cast<int>(frames)};
}

/// Makes features_ those that `samples` complete.
void AcousticStream::hear(Context& context, std::span<const float> samples) {
    features_.clear();
    log_mel_.feed(context, samples, features_);
    if (live_) live_->preview(samples, features_);
}

void AcousticStream::feed(std::span<AcousticStream* const> streams,
                          std::span<const std::span<const float>> samples,
                          std::span<std::vector<float>> encoded) {
    // Locked in an order that all callers share, so that no two wait for each other.
    std::vector<AcousticStream*> ordered(streams.begin(), streams.end());
    std::sort(ordered.begin(), ordered.end(), std::less<>());
    std::vector<std::unique_lock<std::mutex>> locks;
    for (AcousticStream* stream : ordered) locks.emplace_back(stream->mutex_);
    const AcousticModel& model = streams[0]->model();
    model.executor().run([&](Context& context) {
        context.pool.parallel_for(streams.size(),
                                  [&](size_t i) { streams[i]->hear(context, samples[i]); });
        std::vector<StreamFeatures> features;
        for (size_t i = 0; i < streams.size(); i++)
            features.push_back({streams[i]->encoder_.get(), streams[i]->rows(), &encoded[i]});
        model.encoder().feed(context, features);
    });
}

void AcousticStream::feed(std::span<const float> samples, std::vector<float>& encoded) {
    AcousticStream* stream = this;
    feed({&stream, 1}, {&samples, 1}, {&encoded, 1});
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
        encoder_->feed(context, rows(), encoded);
        encoder_->finish(context, encoded);
    });
}

void AcousticStream::revise(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    if (!live_) return;
    model_->executor().run([&](Context& context) {
        live_->next(kRevisedFrames, features_);
        encoder_->feed(context, rows(), encoded);
    });
}

}  // namespace parrotlet
