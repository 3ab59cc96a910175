// What models of every family offer: features, an encoder, a CTC head, streams.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gguf/reader.h"
#include "kernels/kernels.h"
#include "nn/key_ranges.h"
#include "nn/sequence.h"
#include "runtime/stage_times.h"

namespace parrotlet {

class AcousticModel;

/// One live recording: samples in, encoder frames out. Streams are independent of each other; calls
/// on one stream wait for each other.
class AcousticStream {
  public:
    virtual ~AcousticStream() = default;

    virtual const AcousticModel& model() const = 0;

    /// Appends to `encoded` the frames [d_model] that `samples` complete.
    virtual void feed(std::span<const float> samples, std::vector<float>& encoded) = 0;

    /// Appends the last frames. The stream takes no more samples.
    virtual void finish(std::vector<float>& encoded) = 0;

    /// Whether feed() can only estimate the frames, because they depend on the whole recording.
    /// After finish(), revise() then gives them anew as they are.
    virtual bool is_preview() const { return false; }

    /// Appends the next frames of the finished recording, from its first one on; none at the end.
    virtual void revise(std::vector<float>& /*encoded*/) {}
};

/// A whole model, read from one GGUF file. All methods may be called from several threads at once.
class AcousticModel : public std::enable_shared_from_this<AcousticModel> {
  public:
    virtual ~AcousticModel() = default;

    virtual const GgufFile& file() const = 0;
    virtual const KernelTable& kernels() const = 0;
    virtual int threads() const = 0;
    virtual int mel_bands() const = 0;
    virtual int d_model() const = 0;
    virtual int labels() const = 0;  ///< outputs of the CTC head: the vocabulary and the blank

    virtual int feature_frames(size_t samples) const = 0;
    virtual int encoder_frames(int frames) const = 0;

    /// features[feature_frames(samples.size()), mel_bands].
    virtual void features(std::span<const float> samples, float* features) const = 0;

    /// The encoder_frames() of each recording, [d_model], one recording after the other. Recordings
    /// may share the products of a layer; each gives to the bit what it gives alone. Families
    /// without a choice of the attention context ignore it.
    virtual void encode(std::span<const FeatureRows> recordings, AttentionContext attention,
                        float* encoded) const = 0;

    virtual bool has_ctc() const = 0;

    /// log_probs[frames, labels()], blank last. Only where has_ctc().
    virtual void ctc_log_probs(const float* encoded, int frames, float* log_probs) const = 0;

    /// Whether the encoder can be run while the recording arrives; stream() needs it.
    virtual bool can_stream() const = 0;

    /// `attention.right` must be limited. The model must be owned by a shared pointer.
    virtual std::unique_ptr<AcousticStream> stream(AttentionContext attention) const = 0;

    /// Feeds streams of this model, each its own samples, together where the family can: each gives
    /// to the bit what it gives alone. No stream is there twice.
    virtual void feed(std::span<AcousticStream* const> streams,
                      std::span<const std::span<const float>> samples,
                      std::span<std::vector<float>> encoded) const;

    /// Forgets the times of earlier stages and measures those to come, of all calls together.
    void start_timing() const;

    /// Measures no further, and returns what was measured.
    const StageTimes& stop_timing() const;

  protected:
    /// Where a call's stages add their times; null when nobody asks.
    StageTimes* times() const { return timing_ ? &times_ : nullptr; }

  private:
    mutable std::atomic<bool> timing_ = false;
    mutable StageTimes times_;
};

/// Loads a model of the family that the file names. Throws ModelFileError or UnsupportedModelError,
/// naming the file.
std::shared_ptr<AcousticModel> load_model(const std::string& path, int threads);

}  // namespace parrotlet
