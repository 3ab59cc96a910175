// Beam search over CTC.
//
// Source: NeMo nemo.collections.asr.parts.submodules.ctc_batched_beam_decoding (strategy
// "beam_batch"), for one utterance.
#pragma once

#include "decoding/beam/beam_search.h"
#include "decoding/beam/top_k.h"
#include "heads/ctc.h"

namespace parrotlet {

/// A label for every hypothesis at every frame; a repeat of the label before is no token. Of
/// hypotheses with equal texts and labels the best stays, so a score is that of one alignment.
///
/// The search ends with the recording. NeMo goes on scoring the frames that pad it in a batch.
class BeamCtc : public BeamSearch {
  public:
    BeamCtc(const CtcHead& head, const SearchOptions& options);

    std::unique_ptr<Search> copy() const override { return std::make_unique<BeamCtc>(*this); }
    int width() const override { return head_->d_model(); }

  private:
    void advance(Context& context, const float* encoded, int frames) override;
    void conclude(Context& context) override;
    void take_frame(std::span<const float> log_probs, std::span<float> scratch);
    void score_labels(const Hypothesis& hypothesis, std::span<const float> log_probs,
                      std::span<float> scores) const;
    void extend_beam(double confidence);

    const CtcHead* head_;
    int64_t frame_ = 0;  ///< that comes next
    std::vector<Scored> best_;
    std::vector<Candidate> candidates_;
};

}  // namespace parrotlet
