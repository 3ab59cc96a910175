// A whole model of the Conformer family: features, encoder and heads, from one GGUF file.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "audio/log_mel.h"
#include "heads/transducer.h"
#include "models/acoustic_model.h"
#include "models/conformer/encoder.h"
#include "models/conformer/stream.h"
#include "runtime/arena_pool.h"

namespace parrotlet {

/// What NeMo takes for an unlimited left context when it streams (setup_streaming_params).
constexpr int kUnlimitedLeft = 10000;

/// All methods may be called from several threads at once.
class ConformerModel : public AcousticModel {
  public:
    /// Throws ModelFileError or UnsupportedModelError, naming the file.
    ConformerModel(GgufFile file, int threads);

    const GgufFile& file() const override { return file_; }
    const ConformerConfig& config() const { return config_; }
    const KernelTable& kernels() const override { return kernels_; }
    int threads() const override { return pool_.size(); }
    int mel_bands() const override { return config_.features.mel_bands; }
    int d_model() const override { return config_.encoder.d_model; }
    int labels() const override { return config_.decoder.vocab_size + 1; }

    int feature_frames(size_t samples) const override { return log_mel_.frames(samples); }
    int encoder_frames(int frames) const override { return encoder_.output_frames(frames); }
    void features(std::span<const float> samples, float* features) const override;
    void encode(std::span<const FeatureRows> recordings, AttentionContext attention,
                float* encoded) const override;
    void ctc_log_probs(const float* encoded, int frames, float* log_probs) const override;

    /// f[frames, joint_hidden].
    void project_encoder(const float* encoded, int frames, float* f) const;

    PredictorState start_predictor() const;
    void advance_predictor(int token, PredictorState& state) const;

    /// logits[transducer().outputs()].
    void joint(const float* frame, const PredictorState& state, float* logits) const;

    /// Whether the encoder was trained to be run chunk by chunk.
    bool can_stream() const override;
    std::unique_ptr<AcousticStream> stream(AttentionContext attention) const override;
    void feed(std::span<AcousticStream* const> streams,
              std::span<const std::span<const float>> samples,
              std::span<std::vector<float>> encoded) const override;

    bool has_ctc() const override { return ctc_.has_value(); }
    bool has_transducer() const { return transducer_.has_value(); }
    const Transducer& transducer() const { return *transducer_; }

  private:
    friend class ModelStream;

    /// Positions for streams of this context, made once and kept while any stream uses them.
    std::shared_ptr<const ProjectedPositions> stream_positions(AttentionContext attention) const;

    /// Runs body with scratch memory that no other call is using.
    template <typename Body>
    auto with_context(Body body) const;

    GgufFile file_;
    ConformerConfig config_;
    const KernelTable& kernels_;
    mutable ThreadPool pool_;
    LogMel log_mel_;
    ConformerEncoder encoder_;
    std::optional<Linear> ctc_;
    std::optional<Transducer> transducer_;

    mutable ArenaPool arenas_;

    mutable std::mutex positions_mutex_;
    mutable std::map<std::pair<int, int>, std::weak_ptr<const ProjectedPositions>> positions_;
};

/// NeMo's cache-aware streaming of one recording.
class ModelStream : public AcousticStream {
  public:
    /// The model must be able to stream, and attention.right be limited.
    ModelStream(std::shared_ptr<const ConformerModel> model, AttentionContext attention);

    const AcousticModel& model() const override { return *model_; }
    void feed(std::span<const float> samples, std::vector<float>& encoded) override;
    void finish(std::vector<float>& encoded) override;

  private:
    friend class ConformerModel;

    void add(Context& context, std::span<const float> samples);

    std::shared_ptr<const ConformerModel> model_;
    LogMelStream log_mel_;
    EncoderStream encoder_;
    std::vector<float> features_;  ///< kept for its capacity
    std::mutex mutex_;
};

}  // namespace parrotlet
