// Modified adaptive expansion search over RNNT.
//
// Source: NeMo nemo.collections.asr.parts.submodules.rnnt_maes_batched_computer (strategy
// "maes_batch"), for one utterance. "Accelerating RNN Transducer Inference via Adaptive Expansion
// Search" (Kim et al. 2020).
#pragma once

#include "decoding/beam/beam_transducer.h"

namespace parrotlet {

/// All hypotheses look at the same frame. They are open until they have taken a blank there.
class Maes : public BeamTransducer {
  public:
    Maes(Context& context, const Transducer& head, const SearchOptions& options);

  private:
    void advance(Context& context, const float* encoded, int frames) override;
    void take_frame(Context& context, const float* projected, float* logits);

    bool is_open(const Hypothesis& hypothesis) const { return hypothesis.label != blank_; }

    /// Offers to the open hypotheses; false if there are none.
    bool offer_open(Context& context, const float* projected, float* logits);

    /// Adds to the score of each text that of the text with one token less, and that token.
    void add_prefixes();

    void expand(int member, const Offer& offer);
    void extend_beam();
    void close();

    std::vector<int> open_;  ///< positions in the beam that offers_ is for
    std::vector<Candidate> candidates_;
    std::vector<const float*> at_;
    std::vector<int> offer_of_;
    std::vector<double> scores_;
};

}  // namespace parrotlet
