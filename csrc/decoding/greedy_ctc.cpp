#include "decoding/greedy_ctc.h"

#include <algorithm>

#include "decoding/argmax.h"
#include "decoding/confidence.h"

namespace parrotlet {

void GreedyCtc::take(Context& context, const float* encoded, int frames) {
    const float* log_probs = encoded;
    if (head_ != nullptr) {
        auto* computed = context.arena.allocate<float>(size_t(frames) * labels_);
        head_->log_probs(context, encoded, frames, computed);
        log_probs = computed;
    }
    if (context.counts()) return;
    for (int i = 0; i < frames; i++) take_frame({log_probs + size_t(i) * labels_, size_t(labels_)});
}

void GreedyCtc::take_frame(std::span<const float> log_probs) {
    const int label = argmax(log_probs);
    if (label != previous_) {
        settled_.insert(settled_.end(), tentative_.begin(), tentative_.end());
        tentative_.clear();
    }
    if (label != blank()) {
        const double confidence = max_prob(log_probs[label], labels_);
        if (tentative_.empty())
            tentative_.push_back({label, frame_, Emission::kNoDuration, confidence});
        else
            tentative_.back().confidence = std::min(tentative_.back().confidence, confidence);
    }
    previous_ = label;
    frame_++;
}

}  // namespace parrotlet
