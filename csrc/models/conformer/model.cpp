#include "models/conformer/model.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/dispatch.h"

namespace parrotlet {

ConformerModel::ConformerModel(GgufFile file, int threads)
    : file_(std::move(file)),
      config_(file_),
      kernels_(default_table()),
      pool_(threads),
      log_mel_(Weights(file_), config_.features),
      encoder_(Weights(file_), config_.encoder, pool_) {
    const Weights weights(file_);
    if (config_.decoder.ctc)
        ctc_ = Linear(weights, "ctc_decoder.decoder_layers.0", config_.encoder.d_model,
                      config_.decoder.vocab_size + 1);
    if (config_.decoder.transducer)
        transducer_.emplace(weights, config_.decoder, config_.encoder.d_model);
}

template <typename Body>
auto ConformerModel::with_context(Body body) const {
    return arenas_.lend([&](Arena& arena) {
        Context context{kernels_, pool_, arena, times()};
        return body(context);
    });
}

void ConformerModel::features(std::span<const float> samples, float* features) const {
    with_context([&](Context& context) { log_mel_(context, samples, features); });
}

void ConformerModel::encode(std::span<const FeatureRows> recordings, AttentionContext attention,
                            float* encoded) const {
    with_context([&](Context& context) { encoder_(context, recordings, attention, encoded); });
}

void ConformerModel::ctc_log_probs(const float* encoded, int frames, float* log_probs) const {
    with_context([&](Context& context) { (*ctc_)(context, encoded, frames, log_probs); });
    log_softmax(log_probs, frames, ctc_->out());
}

void ConformerModel::project_encoder(const float* encoded, int frames, float* f) const {
    with_context(
        [&](Context& context) { transducer_->project_encoder(context, encoded, frames, f); });
}

PredictorState ConformerModel::start_predictor() const {
    return with_context([&](Context& context) { return transducer_->start(context); });
}

void ConformerModel::advance_predictor(int token, PredictorState& state) const {
    with_context([&](Context& context) { transducer_->advance(context, token, state); });
}

void ConformerModel::joint(const float* frame, const PredictorState& state, float* logits) const {
    with_context([&](Context& context) { transducer_->joint(context, frame, state, logits); });
}

bool ConformerModel::can_stream() const {
    return config_.encoder.style == ContextStyle::chunked_limited &&
           !config_.features.normalize_per_feature;
}

std::unique_ptr<AcousticStream> ConformerModel::stream(AttentionContext attention) const {
    return std::make_unique<ModelStream>(
        std::static_pointer_cast<const ConformerModel>(shared_from_this()), attention);
}

std::shared_ptr<const ProjectedPositions> ConformerModel::stream_positions(
    AttentionContext attention) const {
    std::lock_guard lock(positions_mutex_);
    std::weak_ptr<const ProjectedPositions>& known = positions_[{attention.left, attention.right}];
    if (auto positions = known.lock()) return positions;
    const auto positions = with_context([&](Context& context) {
        return std::make_shared<const ProjectedPositions>(
            context, encoder_, PositionSpan(attention.left + attention.right, attention.right));
    });
    known = positions;
    return positions;
}

namespace {

AttentionContext bounded(AttentionContext attention) {
    return {attention.left < 0 ? kUnlimitedLeft : attention.left, attention.right};
}

}  // namespace

ModelStream::ModelStream(std::shared_ptr<const ConformerModel> model, AttentionContext attention)
    : model_(std::move(model)),
      log_mel_(model_->log_mel_),
      encoder_(model_->encoder_, bounded(attention), model_->stream_positions(bounded(attention))) {
}

void ConformerModel::feed(std::span<AcousticStream* const> streams,
                          std::span<const std::span<const float>> samples,
                          std::span<std::vector<float>> encoded) const {
    std::vector<ModelStream*> ours;
    for (AcousticStream* stream : streams) ours.push_back(static_cast<ModelStream*>(stream));
    // In an order that all callers share, so that none waits for another that waits for it.
    std::vector<ModelStream*> in_order = ours;
    std::sort(in_order.begin(), in_order.end(), std::less<>());
    std::vector<std::unique_lock<std::mutex>> locks;
    for (ModelStream* stream : in_order) locks.emplace_back(stream->mutex_);
    with_context([&](Context& context) {
        std::vector<EncoderStream::Output> outputs;
        for (size_t i = 0; i < ours.size(); i++) {
            ours[i]->add(context, samples[i]);
            outputs.push_back({&ours[i]->encoder_, &encoded[i]});
        }
        EncoderStream::advance(context, outputs);
    });
}

void ModelStream::add(Context& context, std::span<const float> samples) {
    features_.clear();
    log_mel_.feed(context, samples, features_);
    encoder_.add(features_.data(),
                 static_cast<int>(features_.size()) / model_->config_.features.mel_bands);
}

void ModelStream::feed(std::span<const float> samples, std::vector<float>& encoded) {
    AcousticStream* stream = this;
    model_->feed({&stream, 1}, {&samples, 1}, {&encoded, 1});
}

void ModelStream::finish(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    model_->with_context([&](Context& context) {
        features_.clear();
        log_mel_.finish(context, features_);
        // NeMo's preprocessor yields one frame more than it calls valid, set to zero; its streaming
        // buffer counts that frame.
        const int mels = model_->config_.features.mel_bands;
        features_.resize(features_.size() + mels, 0.0f);
        encoder_.feed(context, features_.data(), static_cast<int>(features_.size()) / mels,
                      encoded);
        encoder_.finish(context, encoded);
    });
}

}  // namespace parrotlet
