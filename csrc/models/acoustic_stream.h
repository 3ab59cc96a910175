// A live recording: samples in, encoder frames out, with their prompt where the model has one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "audio/live_normalization.h"
#include "models/acoustic_model.h"

namespace parrotlet {

/// Feature frames that one call of AcousticStream::revise() encodes.
constexpr size_t kRevisedFrames = 1024;

/// Frontend and encoder of one recording. Streams are independent of each other; calls on one
/// stream wait for each other.
///
/// Features that are normalised over the recording cannot be known before its end. What feed()
/// gives then is a preview, and revise() starts anew.
class AcousticStream {
  public:
    /// The model's encoder must be able to stream, and attention.right be limited.
    AcousticStream(std::shared_ptr<const AcousticModel> model, AttentionContext attention,
                   int prompt = 0);

    const AcousticModel& model() const { return *model_; }

    /// The next samples of a stream, or its end: nothing follows.
    using Next = std::optional<std::span<const float>>;

    /// Gives streams of one model what is next for each, together where the family can: each gives
    /// to the bit what it gives alone. No stream is there twice.
    static void feed(std::span<AcousticStream* const> streams, std::span<const Next> next,
                     std::span<std::vector<float>> encoded);

    /// The prompt of the frames that later calls give. Nothing else of the stream depends on it:
    /// prompts come after the encoder (NeMo's PromptStreamingMixin.set_inference_prompt).
    void set_prompt(int prompt);

    /// Appends to `encoded` the frames [d_model] that `samples` complete.
    void feed(std::span<const float> samples, std::vector<float>& encoded) {
        take(samples, encoded);
    }

    /// Appends the last frames. The stream takes no more samples.
    void finish(std::vector<float>& encoded) { take(std::nullopt, encoded); }

    /// Whether feed() can only estimate the frames, because they depend on the whole recording.
    /// After finish(), revise() then gives them anew as they are.
    bool is_preview() const { return live_.has_value(); }

    /// Appends the next frames of the finished recording, from its first one on; none at the end.
    void revise(std::vector<float>& encoded);

  private:
    void take(Next next, std::vector<float>& encoded);
    void hear(Context& context, Next next);
    static void give_prompts(Context& context, std::span<AcousticStream* const> streams,
                             std::span<const size_t> before, std::span<std::vector<float>> encoded);
    FeatureRows rows() const;

    std::shared_ptr<const AcousticModel> model_;
    AttentionContext attention_;
    int prompt_;
    LogMelStream log_mel_;
    std::unique_ptr<EncoderStream> encoder_;
    std::optional<LiveNormalization> live_;
    std::vector<float> features_;  ///< of one call, kept for its capacity
    std::mutex mutex_;
};

}  // namespace parrotlet
