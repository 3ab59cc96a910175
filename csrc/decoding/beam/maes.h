// Modified adaptive expansion search over RNNT.
//
// Source: NeMo nemo.collections.asr.parts.submodules.rnnt_maes_batched_computer (strategy
// "maes_batch"), for one utterance. "Accelerating RNN Transducer Inference via Adaptive Expansion
// Search" (Kim et al. 2020).
#pragma once

#include "decoding/beam/beam_transducer.h"

namespace parrotlet {

/// All hypotheses look at the same frame. They are open until they have taken a blank there.
///
/// As in NeMo, a hypothesis that moves to the place of one that is closed, the beam being sorted,
/// is not open, and goes on to the next frame without a blank. Its frame is the number of blanks
/// taken, so that its next tokens are a frame early.
class Maes : public BeamTransducer {
  public:
    Maes(Context& context, const Transducer& head, const SearchOptions& options);

    std::unique_ptr<Search> copy() const override { return std::make_unique<Maes>(*this); }

  private:
    void advance(Context& context, const float* encoded, int frames) override;
    void take_frame(Context& context, const float* projected, float* logits);

    /// Offers to the open hypotheses; false if there are none.
    bool offer_open(Context& context, const float* projected, float* logits);

    /// Adds to the score of each text that of the text with one token less, and that token.
    void add_prefixes();

    void expand(int member, const Offer& offer);
    bool is_in_beam(int text) const;
    void extend_beam();
    void close();

    std::vector<bool> is_open_;  ///< by places in the beam, of which some may be empty
    std::vector<int> open_;      ///< positions in the beam that offers_ is for
    std::vector<Candidate> candidates_;
    std::vector<const float*> at_;
    std::vector<int> offer_of_;
    std::vector<double> scores_;
};

}  // namespace parrotlet
