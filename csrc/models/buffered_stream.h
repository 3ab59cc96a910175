// A live recording whose windows go through the encoder anew for every chunk.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "models/acoustic_model.h"

namespace parrotlet {

/// What a window is made of, in encoder frames: those before the chunk, the chunk, whose frames are
/// wanted, and those after it. NeMo's ContextSize. `chunk` is at least 1.
struct BufferedContext {
    int left, chunk, right;
    int total() const { return left + chunk + right; }
};

/// Buffered streaming, for encoders that see the whole of what they are given. What a stream keeps
/// are the samples of a window; features, normalisation included, are those of a recording that is
/// the window alone.
///
/// Source: NeMo's StreamingBatchedAudioBuffer and speech_to_text_streaming_infer_rnnt.py.
/// Streams are independent of each other; calls on one stream wait for each other.
class BufferedStream {
  public:
    /// `attention` is that of the encoder within a window.
    BufferedStream(std::shared_ptr<const AcousticModel> model, BufferedContext context,
                   AttentionContext attention);

    const AcousticModel& model() const { return *model_; }

    /// Gives the frames that come from now on another of the model's prompts.
    void set_prompt(int prompt);

    /// Appends to `encoded` the frames [d_model] of the chunks whose windows `samples` complete.
    void feed(std::span<const float> samples, std::vector<float>& encoded);

    /// Appends the last frames. The stream takes no more samples.
    ///
    /// As in NeMo, the last window is as long as the others and ends with the recording, so that
    /// its frames need not lie where those of the one before do: where its part before the chunk
    /// does not end between two frames, a frame of the chunk begins up to one frame earlier.
    void finish(std::vector<float>& encoded);

  private:
    size_t frame_samples() const;
    int begin_window(size_t samples);
    void encode(Context& context, std::span<const float> window);
    void append(Context& context, int begin, int end, std::vector<float>& encoded) const;
    void step(Context& context, std::vector<float>& encoded);

    std::shared_ptr<const AcousticModel> model_;
    BufferedContext context_;
    AttentionContext attention_;
    int prompt_ = 0;
    std::vector<float> samples_;  ///< of which `left_` are before the next chunk
    size_t left_ = 0;
    std::vector<float> features_, frames_;  ///< of the last window
    std::mutex mutex_;
};

}  // namespace parrotlet
