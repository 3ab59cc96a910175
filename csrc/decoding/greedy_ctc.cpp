#include "decoding/greedy_ctc.h"

#include <algorithm>

#include "decoding/argmax.h"
#include "decoding/confidence.h"

namespace parrotlet {

void GreedyCtc::take(Context& context, const float* encoded, int frames) {
    const SearchFrames piece{this, encoded, frames};
    if (head_ != nullptr)
        take_together(context, {&piece, 1});
    else if (!context.counts())
        take_log_probs(encoded, frames);
}

void GreedyCtc::take_together(Context& context, std::span<const SearchFrames> searches) const {
    int total = 0;
    for (const SearchFrames& piece : searches) total += piece.frames;
    const float* encoded = joined_frames(context, searches);
    auto* log_probs = context.arena.allocate<float>(size_t(total) * labels_);
    head_->log_probs(context, encoded, total, log_probs);
    if (context.counts()) return;
    for (const auto& [search, ignored, frames] : searches) {
        static_cast<GreedyCtc*>(search)->take_log_probs(log_probs, frames);
        log_probs += size_t(frames) * labels_;
    }
}

void GreedyCtc::take_log_probs(const float* log_probs, int frames) {
    for (int i = 0; i < frames; i++) take_frame({log_probs + size_t(i) * labels_, size_t(labels_)});
}

void GreedyCtc::take_frame(std::span<const float> log_probs) {
    const int best = argmax(log_probs);
    const int label = chosen(log_probs, best);
    if (label != previous_) {
        settled_.insert(settled_.end(), tentative_.begin(), tentative_.end());
        tentative_.clear();
    }
    if (label != blank()) {
        const double confidence = max_prob(log_probs[best], labels_);
        if (tentative_.empty())
            tentative_.push_back({label, frame_, Emission::kNoDuration, confidence});
        else
            tentative_.back().confidence = std::min(tentative_.back().confidence, confidence);
    }
    heard_ = best;
    previous_ = label;
    frame_++;
}

/// The label of a frame, of which the best one is given.
int GreedyCtc::chosen(std::span<const float> log_probs, int best) {
    if (!fusion_ || best == blank() || best == previous_) return best;
    if (best == heard_) return previous_;
    const int token =
        fusion_.best(log_probs.first(blank()), previous_ == blank() ? Fusion::kNone : previous_);
    fusion_.advance(token);
    return token;
}

}  // namespace parrotlet
