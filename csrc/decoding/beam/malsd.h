// Modified alignment-length synchronous decoding of transducers.
//
// Source: NeMo nemo.collections.asr.parts.submodules.rnnt_malsd_batched_computer and
// tdt_malsd_batched_computer (strategy "malsd_batch"), for one utterance. "Alignment-Length
// Synchronous Decoding for RNN Transducer" (Saon et al. 2020).
#pragma once

#include "decoding/beam/beam_transducer.h"

namespace parrotlet {

/// At each step every hypothesis takes one label at a frame of its own, so that all have taken
/// equally many. Those with equal texts become one.
///
/// Hypotheses that are more than kMostLag frames behind the foremost one are dropped, so that there
/// is an end to the frames that are held for them. (NeMo has the whole recording.)
///
/// A token of TDT moves a hypothesis by the duration. NeMo takes the position of the duration in
/// the list of durations for it, which is another one if these are not 0, 1, 2 ...
class Malsd : public BeamTransducer {
  public:
    static constexpr int kMostLag = kSearchFrames;

    Malsd(Context& context, const Transducer& head, const SearchOptions& options);

    std::unique_ptr<Search> copy() const override { return std::make_unique<Malsd>(*this); }
    size_t bytes() const override { return BeamTransducer::bytes() + most_held() * sizeof(float); }

  private:
    void advance(Context& context, const float* encoded, int frames) override;
    void conclude(Context& context) override;

    /// A step of all hypotheses that are before the last frame taken. `projected` has the frames
    /// from first_ on.
    void step(Context& context, const float* projected, float* logits);
    void expand(int member, const Offer& offer);
    void extend_beam();
    bool join_equal(const Candidate& candidate, int text, int64_t frame);
    static bool is_behind(const Hypothesis& a, const Hypothesis& b) { return a.frame < b.frame; }
    void drop_lagging();
    int64_t first_needed() const;
    size_t most_held() const { return size_t(kMostLag) * head_->joint_hidden(); }

    const int64_t max_symbols_;
    int64_t seen_ = 0;         ///< frames taken
    int64_t first_ = 0;        ///< the first frame that a hypothesis still has to look at
    std::vector<float> held_;  ///< projections of the frames from there on, most_held() at most
    std::vector<Candidate> candidates_;
    std::vector<int> members_;
    std::vector<const float*> at_;
    std::vector<int> offer_of_;  ///< by position in the beam, where in offers_
};

}  // namespace parrotlet
