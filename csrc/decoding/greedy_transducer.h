// Greedy decoding of transducers: RNNT, also with several blanks, and TDT with its predicted
// durations.
//
// Source: NeMo nemo.collections.asr.parts.submodules.transducer_decoding, rnnt_label_looping and
// tdt_label_looping (strategy "greedy_batch", with fusion models), for one utterance. TDT is
// described in "Efficient Sequence Transduction by Jointly Predicting Tokens and Durations"
// (https://arxiv.org/abs/2304.06795).
#pragma once

#include "decoding/fusion.h"
#include "decoding/search.h"
#include "heads/transducer.h"

namespace parrotlet {

/// The best label at each step. Everything is settled at once.
///
/// Searches over a head that are fed together go from label to label side by side: a row of the
/// joint and of the prediction network each.
///
/// With a scorer, the joint alone tells blanks and durations, and a token is the one with the best
/// sum of log-probability and score. Confidences are of the joint alone.
class GreedyTransducer : public Search {
  public:
    GreedyTransducer(Context& context, const Transducer& head, const SearchOptions& options);

    int width() const override { return head_->d_model(); }
    bool revises() const override { return false; }
    std::unique_ptr<Search> copy() const override {
        return std::make_unique<GreedyTransducer>(*this);
    }

  private:
    void take(Context& context, const float* encoded, int frames) override;
    const void* companions() const override { return head_; }
    void take_together(Context& context, std::span<const SearchFrames> searches) const override;
    void count_step(Context& context, const float* projected, float* logits) const;
    int step(std::span<float> logits);
    int emit(std::span<const float> logits, int best, int skip);

    const Transducer* head_;
    LogitsProcessor process_;
    Fusion fusion_;
    int64_t max_symbols_;
    PredictorState state_;
    int64_t seen_ = 0;     ///< frames taken
    int64_t time_ = 0;     ///< the frame reached; a duration may have led beyond those taken
    int64_t emitted_ = 0;  ///< tokens
    int64_t here_ = 0;     ///< tokens on the frame reached
};

}  // namespace parrotlet
