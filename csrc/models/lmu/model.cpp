#include "models/lmu/model.h"

#include <algorithm>

#include "kernels/dispatch.h"

namespace parrotlet {

namespace {

/// Frames whose mean and deviation a preview starts with: one second at 10 ms.
constexpr uint64_t kPreviewStart = 100;

}  // namespace

LmuModel::LmuModel(GgufFile file, int threads)
    : file_(std::move(file)),
      config_(file_),
      kernels_(default_table()),
      pool_(threads),
      log_mel_(Weights(file_), config_.features),
      encoder_(Weights(file_), config_.encoder, pool_),
      ctc_projection_(Weights(file_), "decoder.ctc_projection", config_.encoder.d_model,
                      config_.vocab_size + 1) {}

template <typename Body>
auto LmuModel::with_context(Body body) const {
    return arenas_.lend([&](Arena& arena) {
        Context context{kernels_, pool_, arena, times()};
        return body(context);
    });
}

void LmuModel::features(std::span<const float> samples, float* features) const {
    with_context([&](Context& context) { log_mel_(context, samples, features); });
}

void LmuModel::encode(std::span<const FeatureRows> recordings, AttentionContext /*attention*/,
                      float* encoded) const {
    with_context([&](Context& context) {
        for (const auto& [features, frames] : recordings) {
            encoder_(context, features, frames, encoded);
            encoded += static_cast<size_t>(frames) * d_model();
        }
    });
}

void LmuModel::ctc_log_probs(const float* encoded, int frames, float* log_probs) const {
    with_context([&](Context& context) { ctc_projection_(context, encoded, frames, log_probs); });
    log_softmax(log_probs, frames, labels());
}

std::unique_ptr<AcousticStream> LmuModel::stream(AttentionContext /*attention*/) const {
    return std::make_unique<LmuStream>(
        std::static_pointer_cast<const LmuModel>(shared_from_this()));
}

LmuStream::LmuStream(std::shared_ptr<const LmuModel> model)
    : model_(std::move(model)), log_mel_(model_->log_mel_), states_(model_->encoder_.start()) {
    if (model_->config_.features.normalize_per_feature) running_.emplace(model_->mel_bands());
}

/// Appends the encoder's frames for features_.
void LmuStream::advance(Context& context, std::vector<float>& encoded) {
    const size_t frames = features_.size() / model_->mel_bands(), before = encoded.size();
    if (frames == 0) return;
    encoded.resize(before + frames * model_->d_model());
    model_->encoder_.advance(context, features_.data(), static_cast<int>(frames), states_,
                             encoded.data() + before);
}

/// Each frame of features_ with the mean and deviation up to it; none before there are enough.
void LmuStream::normalize_preview() {
    const auto mels = static_cast<size_t>(model_->mel_bands());
    std::vector<float> ready;
    for (size_t i = 0; i < features_.size(); i += mels) {
        running_->add(features_.data() + i);
        const uint64_t heard = running_->frames();
        if (heard < kPreviewStart) continue;
        const size_t count = heard == kPreviewStart ? heard : 1;
        const auto end = recorded_.begin() + static_cast<ptrdiff_t>(heard * mels);
        const size_t at = ready.size();
        ready.insert(ready.end(), end - static_cast<ptrdiff_t>(count * mels), end);
        running_->now().apply(ready.data() + at, static_cast<int>(count));
    }
    features_ = std::move(ready);
}

void LmuStream::feed(std::span<const float> samples, std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    model_->with_context([&](Context& context) {
        features_.clear();
        log_mel_.feed(context, samples, features_);
        if (is_preview()) {
            heard_ = heard_ || std::any_of(samples.begin(), samples.end(),
                                           [](float sample) { return sample != 0.0f; });
            recorded_.insert(recorded_.end(), features_.begin(), features_.end());
            normalize_preview();
        }
        advance(context, encoded);
    });
}

void LmuStream::finish(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    model_->with_context([&](Context& context) {
        features_.clear();
        log_mel_.finish(context, features_);
        if (!is_preview()) return advance(context, encoded);
        recorded_.insert(recorded_.end(), features_.begin(), features_.end());
        // Digital silence holds no speech; normalised, it would be rounding noise at full scale.
        if (!heard_) recorded_.clear();
        const int mels = model_->mel_bands();
        normalization_.emplace(recorded_.data(), static_cast<int>(recorded_.size()) / mels, mels);
        states_ = model_->encoder_.start();
    });
}

void LmuStream::revise(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    if (!normalization_) return;
    model_->with_context([&](Context& context) {
        const size_t size = kRevisedFrames * model_->mel_bands();
        const size_t end = std::min(revised_ + size, recorded_.size());
        features_.assign(recorded_.begin() + static_cast<ptrdiff_t>(revised_),
                         recorded_.begin() + static_cast<ptrdiff_t>(end));
        revised_ = end;
        normalization_->apply(features_.data(),
                              static_cast<int>(features_.size()) / model_->mel_bands());
        advance(context, encoded);
    });
}

}  // namespace parrotlet
