// Greedy CTC decoding.
//
// Source: NeMo nemo.collections.asr.parts.submodules.ctc_decoding (collapse of repeats) and
// ctc_greedy_decoding (GreedyBatchedCTCInfer, with fusion models).
#pragma once

#include "decoding/fusion.h"
#include "decoding/search.h"
#include "heads/ctc.h"

namespace parrotlet {

/// The best label of each frame, repeats collapsed and blanks dropped. A token's confidence is the
/// lowest of its frames' (ConfidenceConfig.aggregation "min"). The token of the last frame may go
/// on in the next one, and is tentative until it does not: its confidence may fall, nothing else.
///
/// With a scorer, blanks and repeats are told by the frames alone, and what begins is the token
/// with the best sum of log-probability and score. A frame with the label of the frame before goes
/// on with what that one began, whichever token that was. (NeMo begins another token there: of
/// "fox" with "ox" preferred it makes "oxx".) Confidences are of the frames alone.
class GreedyCtc : public Search {
  public:
    /// Over the frames of an encoder.
    GreedyCtc(const CtcHead& head, std::shared_ptr<const TokenScorer> scorer)
        : GreedyCtc(&head, head.labels(), head.d_model(), std::move(scorer)) {}

    /// Over frames of log-probabilities [labels], the blank's last.
    GreedyCtc(int labels, std::shared_ptr<const TokenScorer> scorer)
        : GreedyCtc(nullptr, labels, labels, std::move(scorer)) {}

    int width() const override { return width_; }
    bool revises() const override { return false; }
    std::unique_ptr<Search> copy() const override { return std::make_unique<GreedyCtc>(*this); }

  private:
    GreedyCtc(const CtcHead* head, int labels, int width, std::shared_ptr<const TokenScorer> scorer)
        : head_(head),
          labels_(labels),
          width_(width),
          fusion_(std::move(scorer), blank()),
          heard_(blank()),
          previous_(blank()) {}

    int blank() const { return labels_ - 1; }
    void take(Context& context, const float* encoded, int frames) override;
    const void* companions() const override { return head_; }
    void take_together(Context& context, std::span<const SearchFrames> searches) const override;
    void take_log_probs(const float* log_probs, int frames);
    void take_frame(std::span<const float> log_probs);
    int chosen(std::span<const float> log_probs, int best);

    const CtcHead* head_;
    int labels_, width_;
    Fusion fusion_;
    int heard_;          ///< the best label of the frame before
    int previous_;       ///< the label that was chosen for it
    int64_t frame_ = 0;  ///< that comes next
};

}  // namespace parrotlet
