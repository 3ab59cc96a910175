#include "models/buffered_stream.h"

#include <algorithm>

namespace parrotlet {

BufferedStream::BufferedStream(std::shared_ptr<const AcousticModel> model, BufferedContext context,
                               AttentionContext attention)
    : model_(std::move(model)), context_(context), attention_(attention) {}

/// Samples between two encoder frames.
size_t BufferedStream::frame_samples() const {
    return static_cast<size_t>(model_->encoder().subsampling_factor()) *
           model_->frontend().config().hop_length;
}

/// Drops samples of which a window that takes `samples` from the chunk on has no use; returns how
/// many frames it has before the chunk.
int BufferedStream::begin_window(size_t samples) {
    const size_t most = context_.total() * frame_samples();
    const size_t used = left_ + samples;
    const size_t extra = used > most ? used - most : 0;
    samples_.erase(samples_.begin(), samples_.begin() + static_cast<ptrdiff_t>(extra));
    left_ -= extra;
    return static_cast<int>(left_ / frame_samples());
}

/// Makes frames_ those of the window.
void BufferedStream::encode(Context& context, std::span<const float> window) {
    const LogMel& frontend = model_->frontend();
    const Encoder& encoder = model_->encoder();
    const int count = frontend.frames(window.size());
    frames_.clear();
    if (count == 0) return;
    features_.resize(static_cast<size_t>(count) * frontend.mel_bands());
    frontend(context, window, features_.data());
    frames_.resize(static_cast<size_t>(encoder.output_frames(count)) * encoder.d_model());
    const FeatureRows rows{features_.data(), count};
    encoder(context, {&rows, 1}, attention_, frames_.data());
}

/// Appends frames [begin, end) of the last window.
void BufferedStream::append(Context& context, int begin, int end,
                            std::vector<float>& encoded) const {
    const auto d = static_cast<ptrdiff_t>(model_->encoder().d_model());
    const size_t before = encoded.size();
    encoded.insert(encoded.end(), frames_.begin() + begin * d, frames_.begin() + end * d);
    const PromptedRows rows{end - begin, prompt_};
    model_->parts().give_prompts(context, {&rows, 1}, encoded.data() + before);
}

void BufferedStream::set_prompt(int prompt) {
    std::lock_guard lock(mutex_);
    prompt_ = prompt;
}

/// Encodes the next chunk, whose window is complete.
void BufferedStream::step(Context& context, std::vector<float>& encoded) {
    const size_t chunk = context_.chunk * frame_samples();
    const size_t ahead = chunk + context_.right * frame_samples();
    const int before = begin_window(ahead);
    encode(context, {samples_.data(), left_ + ahead});
    append(context, before, before + context_.chunk, encoded);
    left_ += chunk;
}

void BufferedStream::feed(std::span<const float> samples, std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    samples_.insert(samples_.end(), samples.begin(), samples.end());
    const size_t ahead = (context_.chunk + context_.right) * frame_samples();
    if (samples_.size() - left_ < ahead) return;
    model_->executor().run([&](Context& context) {
        while (samples_.size() - left_ >= ahead) step(context, encoded);
    });
}

void BufferedStream::finish(std::vector<float>& encoded) {
    std::lock_guard lock(mutex_);
    const size_t rest = samples_.size() - left_;
    const int before = begin_window(rest);
    model_->executor().run([&](Context& context) {
        // Where the last window ended with the recording, its frames are there already.
        if (frames_.empty() || rest != context_.right * frame_samples()) encode(context, samples_);
        const int end = static_cast<int>(frames_.size()) / model_->encoder().d_model();
        append(context, before, end, encoded);
    });
    samples_.clear();
    left_ = 0;
    frames_.clear();
}

}  // namespace parrotlet
