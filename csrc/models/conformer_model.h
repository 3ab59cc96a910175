// A whole model of the Conformer family: features, encoder and heads, from one GGUF file.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "audio/log_mel.h"
#include "models/conformer.h"
#include "models/streaming.h"
#include "models/transducer.h"

namespace parrotlet {

/// All methods may be called from several threads at once.
class ConformerModel {
  public:
    /// Throws ModelFileError or UnsupportedModelError, naming the file.
    ConformerModel(const std::string& path, int threads);

    const GgufFile& file() const { return file_; }
    const ConformerConfig& config() const { return config_; }
    const KernelTable& kernels() const { return kernels_; }
    int threads() const { return pool_.size(); }

    int feature_frames(size_t samples) const { return log_mel_.frames(samples); }
    int encoder_frames(int frames) const { return encoder_.output_frames(frames); }

    /// features[feature_frames(samples.size()), mel_bands].
    void features(std::span<const float> samples, float* features) const;

    /// encoded[encoder_frames(frames), d_model].
    void encode(const float* features, int frames, AttentionContext attention,
                float* encoded) const;

    /// log_probs[frames, vocab_size + 1], blank last (ConvASRDecoder).
    void ctc_log_probs(const float* encoded, int frames, float* log_probs) const;

    /// f[frames, joint_hidden].
    void project_encoder(const float* encoded, int frames, float* f) const;

    PredictorState start_predictor() const;
    void advance_predictor(int token, PredictorState& state) const;

    /// logits[transducer().outputs()].
    void joint(const float* frame, const PredictorState& state, float* logits) const;

    /// Whether the encoder was trained to be run chunk by chunk; stream() needs it.
    bool can_stream() const;

    /// Forgets the times of earlier stages and measures those to come, of all calls together.
    void start_timing() const;

    /// Measures no further, and returns what was measured.
    const StageTimes& stop_timing() const;

    bool has_ctc() const { return ctc_.has_value(); }
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

    mutable std::mutex arenas_mutex_;
    mutable std::vector<std::unique_ptr<Arena>> idle_arenas_;

    mutable std::atomic<bool> timing_ = false;
    mutable StageTimes times_;

    mutable std::mutex positions_mutex_;
    mutable std::map<std::pair<int, int>, std::weak_ptr<const ProjectedPositions>> positions_;
};

/// One live recording: samples in, encoder frames out. Streams are independent of each other; calls
/// on one stream wait for each other.
class ModelStream {
  public:
    /// The model must be able to stream, and attention.right be limited.
    ModelStream(std::shared_ptr<const ConformerModel> model, AttentionContext attention);

    /// Appends to `encoded` the frames [d_model] that `samples` complete.
    void feed(std::span<const float> samples, std::vector<float>& encoded);

    /// Appends the last frames. The stream takes nothing more.
    void finish(std::vector<float>& encoded);

    const ConformerModel& model() const { return *model_; }

  private:
    std::shared_ptr<const ConformerModel> model_;
    LogMelStream log_mel_;
    EncoderStream encoder_;
    std::vector<float> features_;  ///< kept for its capacity
    std::mutex mutex_;
};

}  // namespace parrotlet
