// A whole model of the LMU family: features, encoder and CTC head, from one GGUF file.
#pragma once

#include <mutex>
#include <optional>

#include "audio/log_mel.h"
#include "models/acoustic_model.h"
#include "models/lmu/encoder.h"
#include "runtime/arena_pool.h"

namespace parrotlet {

/// Frames that one call of LmuStream::revise() gives.
constexpr size_t kRevisedFrames = 1024;

class LmuModel : public AcousticModel {
  public:
    /// Throws ModelFileError or UnsupportedModelError, naming the file.
    LmuModel(GgufFile file, int threads);

    const GgufFile& file() const override { return file_; }
    const KernelTable& kernels() const override { return kernels_; }
    int threads() const override { return pool_.size(); }
    int mel_bands() const override { return config_.features.mel_bands; }
    int d_model() const override { return config_.encoder.d_model; }
    int labels() const override { return config_.vocab_size + 1; }

    int feature_frames(size_t samples) const override { return log_mel_.frames(samples); }
    int encoder_frames(int frames) const override { return frames; }
    void features(std::span<const float> samples, float* features) const override;
    void encode(std::span<const FeatureRows> recordings, AttentionContext attention,
                float* encoded) const override;
    bool has_ctc() const override { return true; }
    void ctc_log_probs(const float* encoded, int frames, float* log_probs) const override;

    bool can_stream() const override { return encoder_.is_recurrent(); }
    std::unique_ptr<AcousticStream> stream(AttentionContext attention) const override;

  private:
    friend class LmuStream;

    /// Runs body with scratch memory that no other call is using.
    template <typename Body>
    auto with_context(Body body) const;

    GgufFile file_;
    LmuConfig config_;
    const KernelTable& kernels_;
    mutable ThreadPool pool_;
    LogMel log_mel_;
    LmuEncoder encoder_;
    Linear ctc_projection_;
    mutable ArenaPool arenas_;
};

/// Features and encoder of one recording, frame by frame, equal to those of the whole to the bit.
///
/// Features that are normalised over the recording cannot be known before its end. What feed()
/// gives then is a preview, normalised with what has been heard so far, and revise() starts anew.
class LmuStream : public AcousticStream {
  public:
    /// The model must be able to stream.
    explicit LmuStream(std::shared_ptr<const LmuModel> model);

    const AcousticModel& model() const override { return *model_; }
    void feed(std::span<const float> samples, std::vector<float>& encoded) override;
    void finish(std::vector<float>& encoded) override;
    bool is_preview() const override { return running_.has_value(); }
    void revise(std::vector<float>& encoded) override;

  private:
    void advance(Context& context, std::vector<float>& encoded);
    void normalize_preview();

    std::shared_ptr<const LmuModel> model_;
    LogMelStream log_mel_;
    std::vector<LmuState> states_;
    std::vector<float> features_;  ///< of one call, kept for its capacity
    std::mutex mutex_;

    std::optional<RunningNormalization> running_;
    std::optional<Normalization> normalization_;  ///< of the finished recording
    std::vector<float> recorded_;                 ///< features of the recording, not normalised
    size_t revised_ = 0;                          ///< how many of them revise() has taken
    bool heard_ = false;                          ///< any sample that is not zero
};

}  // namespace parrotlet
