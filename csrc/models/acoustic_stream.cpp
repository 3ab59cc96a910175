#include "models/acoustic_stream.h"

#include <algorithm>
#include <functional>

namespace parrotlet {

AcousticStream::AcousticStream(std::shared_ptr<const AcousticModel> model,
                               AttentionContext attention, int prompt)
    : model_(std::move(model)),
      attention_(attention),
      prompt_(prompt),
      log_mel_(model_->frontend()) {
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

/// Makes features_ those that `next` completes.
void AcousticStream::hear(Context& context, Next next) {
    features_.clear();
    if (next) {
        log_mel_.feed(context, *next, features_);
        if (live_) live_->preview(*next, features_);
    } else {
        log_mel_.finish(context, features_);
        if (live_) live_->finish(features_);
    }
}

/// Gives the frames that streams have got after the first `before` values their prompts, together.
void AcousticStream::give_prompts(Context& context, std::span<AcousticStream* const> streams,
                                  std::span<const size_t> before,
                                  std::span<std::vector<float>> encoded) {
    const AcousticModel& model = streams[0]->model();
    if (model.prompts() == 0) return;
    std::vector<PromptedRows> prompted;
    std::vector<float> frames;
    for (size_t i = 0; i < streams.size(); i++) {
        const size_t values = encoded[i].size() - before[i];
        prompted.push_back(
            {static_cast<int>(values / model.encoder().d_model()), streams[i]->prompt_});
        frames.insert(frames.end(), encoded[i].begin() + before[i], encoded[i].end());
    }
    model.parts().give_prompts(context, prompted, frames.data());
    const float* next = frames.data();
    for (size_t i = 0; i < streams.size(); i++) {
        const size_t values = encoded[i].size() - before[i];
        std::copy_n(next, values, encoded[i].begin() + before[i]);
        next += values;
    }
}

void AcousticStream::set_prompt(int prompt) {
    std::lock_guard lock(mutex_);
    prompt_ = prompt;
}

void AcousticStream::feed(std::span<AcousticStream* const> streams, std::span<const Next> next,
                          std::span<std::vector<float>> encoded) {
    // Locked in an order that all callers share, so that no two wait for each other.
    std::vector<AcousticStream*> ordered(streams.begin(), streams.end());
    std::sort(ordered.begin(), ordered.end(), std::less<>());
    std::vector<std::unique_lock<std::mutex>> locks;
    for (AcousticStream* stream : ordered) locks.emplace_back(stream->mutex_);
    const AcousticModel& model = streams[0]->model();
    model.executor().run([&](Context& context) {
        context.pool.parallel_for(streams.size(),
                                  [&](size_t i) { streams[i]->hear(context, next[i]); });
        std::vector<StreamFeatures> features;
        std::vector<size_t> before;
        for (size_t i = 0; i < streams.size(); i++) {
            AcousticStream& stream = *streams[i];
            before.push_back(encoded[i].size());
            if (stream.live_ && !next[i])  // revise() starts anew
                stream.encoder_ = model.encoder().stream(context, stream.attention_);
            else
                features.push_back(
                    {stream.encoder_.get(), stream.rows(), &encoded[i], !next[i].has_value()});
        }
        model.encoder().feed(context, features);
        give_prompts(context, streams, before, encoded);
    });
}

void AcousticStream::take(Next next, std::vector<float>& encoded) {
    AcousticStream* stream = this;
    feed({&stream, 1}, {&next, 1}, {&encoded, 1});
}

void AcousticStream::revise(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    if (!live_) return;
    model_->executor().run([&](Context& context) {
        live_->next(kRevisedFrames, features_);
        const size_t before = encoded.size();
        encoder_->feed(context, rows(), encoded);
        AcousticStream* stream = this;
        give_prompts(context, {&stream, 1}, {&before, 1}, {&encoded, 1});
    });
}

}  // namespace parrotlet
