// Beam searches over a transducer: what hypotheses are offered at a frame.
#pragma once

#include <span>
#include <vector>

#include "decoding/beam/beam_search.h"
#include "decoding/beam/top_k.h"
#include "decoding/confidence.h"
#include "heads/transducer.h"

namespace parrotlet {

/// Predictor, joint and scorer of all hypotheses of a step together.
class BeamTransducer : public BeamSearch {
  public:
    int width() const override { return head_->d_model(); }
    size_t bytes() const override { return BeamSearch::bytes() + states_.bytes(); }

  protected:
    /// `certain` bounds the blank's probability where the logarithm of the rest is taken.
    BeamTransducer(Context& context, const Transducer& head, const SearchOptions& options,
                   double certain);

    /// What a hypothesis is offered at its frame: log-probabilities.
    struct Offer {
        std::span<float> labels;        ///< with the scorer's part, unless pruning is early
        std::span<float> durations;     ///< none of RNNT
        std::span<const float> scores;  ///< the scorer's part of each token
        float not_blank = 0;            ///< what the scorer adds to every token
        float blank = 0;                ///< without the scorer's part
        float top = 0;                  ///< the largest of the labels without the scorer's part
    };

    /// Runs the joint for hypotheses of the beam, each at a projected frame. offers_[i] is then
    /// what the hypothesis `members[i]` is offered; `logits` [beam, outputs] is the memory of them.
    void offer(Context& context, std::span<const int> members, std::span<const float* const> frames,
               float* logits);

    /// Replaces best_ by the `k` best labels of an offer, with the scorer's part, best first.
    void find_best(const Offer& offer, int k);

    /// A label's log-probability with the scorer's part.
    float weighed(const Offer& offer, int label) const;

    double confidence(const Offer& offer) const { return max_prob(offer.top, head_->labels()); }

    /// Brings the prediction network to where the texts of the beam are.
    void predict(Context& context);

    /// Memory for the logits of the beam.
    float* allocate_logits(Context& context) const {
        return context.arena.allocate<float>(size_t(options_.size) * head_->outputs());
    }

    /// Counts what offer() and predict() take at most.
    void count_step(Context& context, float* logits);

    const Transducer* head_;
    std::vector<Offer> offers_;
    std::vector<Scored> best_;

  private:
    /// Log-probabilities of one row of logits.
    Offer distribution(const KernelTable& kernels, std::span<float> logits, int text) const;
    float with_scorer(const Offer& offer, int label) const;
    bool is_late() const { return options_.pruning == BeamOptions::Pruning::late; }

    const LogitsProcessor process_;
    const float certain_;
    const float weight_;     ///< of the scorer, where the blank's score depends on it
    PredictorState states_;  ///< of the slots of texts_
    std::vector<int> rows_, parents_, tokens_;
};

}  // namespace parrotlet
