// Greedy CTC decoding.
//
// Source: NeMo nemo.collections.asr.parts.submodules.ctc_decoding (collapse of repeats) and
// ctc_greedy_decoding.
#pragma once

#include "decoding/search.h"
#include "heads/ctc.h"

namespace parrotlet {

/// The best label of each frame, repeats collapsed and blanks dropped. A token's confidence is the
/// lowest of its frames' (ConfidenceConfig.aggregation "min"). The token of the last frame may go
/// on in the next one, and is tentative until it does not: its confidence may fall, nothing else.
class GreedyCtc : public Search {
  public:
    /// Over the frames of an encoder.
    explicit GreedyCtc(const CtcHead& head)
        : head_(&head), labels_(head.labels()), width_(head.d_model()), previous_(blank()) {}

    /// Over frames of log-probabilities [labels], the blank's last.
    explicit GreedyCtc(int labels) : labels_(labels), width_(labels), previous_(blank()) {}

    int width() const override { return width_; }
    bool revises() const override { return false; }
    std::unique_ptr<Search> copy() const override { return std::make_unique<GreedyCtc>(*this); }

  private:
    int blank() const { return labels_ - 1; }
    void take(Context& context, const float* encoded, int frames) override;
    void take_frame(std::span<const float> log_probs);

    const CtcHead* head_ = nullptr;
    int labels_, width_;
    int previous_;       ///< the label of the frame before
    int64_t frame_ = 0;  ///< that comes next
};

}  // namespace parrotlet
