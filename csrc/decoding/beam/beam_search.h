// Beam searches: what those over CTC and over transducers have in common.
#pragma once

#include <vector>

#include "decoding/beam/options.h"
#include "decoding/beam/prefix_tree.h"
#include "decoding/beam/texts.h"
#include "decoding/search.h"

namespace parrotlet {

/// Several hypotheses side by side. The tokens that all of them begin with, at the same frames, are
/// settled; those that the best one goes on with are tentative, and may be other ones after the
/// next feed(). There are kMostUnsettled of those at most: hypotheses that differ from the best one
/// by an older token are dropped, so that a stream takes neither more memory nor more time as it
/// goes on. (NeMo keeps them.)
///
/// A token's confidence is that of the most probable label at its emission, whichever it is
/// (max_prob), before a scorer changes anything.
class BeamSearch : public Search {
  public:
    static constexpr int64_t kMostUnsettled = 512;

    std::span<const Alternative> alternatives() const override { return alternatives_; }
    size_t bytes() const override { return texts_.bytes(); }

  protected:
    static constexpr int kNone = -1;

    struct Hypothesis {
        double score = 0;
        int text = 0, emission = 0;
        int label = kNone;  ///< CTC: of the frame before
        int64_t frame = 0;  ///< that it looks at next
        int64_t here = 0;   ///< transducers: its tokens since the frame changed
    };

    /// What one hypothesis of the beam may become.
    struct Candidate {
        double score;
        int from;      ///< position in the beam
        int label;     ///< kNone: it stays as it is
        int duration;  ///< frames that it moves by
    };

    BeamSearch(const SearchOptions& options, int blank, bool normalised);

    /// Takes frames; see Search::take.
    virtual void advance(Context& context, const float* encoded, int frames) = 0;

    /// Takes what has been left undone because frames might have followed.
    virtual void conclude(Context&) {}

    /// Leaves the best candidates, best first, as many as there are hypotheses at most.
    void keep_best(std::vector<Candidate>& candidates) const;

    /// A copy of a hypothesis with one more token, at its frame. The copy holds nothing yet.
    Hypothesis extended(const Hypothesis& from, int token, int duration, double confidence);

    void hold(const Hypothesis& hypothesis);

    /// Makes `next`, whose hypotheses are held, the beam.
    void replace_beam(std::vector<Hypothesis>& next);

    /// Drops the hypotheses that satisfy `is`.
    template <typename Is>
    void drop(Is is) {
        for (const Hypothesis& hypothesis : beam_)
            if (is(hypothesis)) dropped_.push_back(hypothesis);
        std::erase_if(beam_, is);
        for (const Hypothesis& hypothesis : dropped_) release(hypothesis);
        dropped_.clear();
    }

    /// Settles what all hypotheses begin with. Every search calls it where it may lose hypotheses,
    /// at places that do not depend on how frames are divided between calls.
    void settle();

    /// Gives the texts of the beam their slots; returns those that had none.
    const std::vector<int>& claim_slots();

    const BeamOptions options_;
    const int blank_;
    BeamTexts texts_;
    std::vector<Hypothesis> beam_;
    std::vector<Hypothesis> next_;  ///< empty between steps

  private:
    void take(Context& context, const float* encoded, int frames) final;
    void end(Context& context) final;
    void release(const Hypothesis& hypothesis);
    const Hypothesis& best() const;
    void drop_others();
    double rank(const Hypothesis& hypothesis) const;

    const bool normalised_;
    PrefixTree<Emission> emissions_;
    std::vector<Alternative> alternatives_;
    std::vector<int> live_texts_;
    std::vector<Hypothesis> dropped_;
    int64_t settled_tokens_ = 0;
};

/// log(e^a + e^b).
double log_add(double a, double b);

}  // namespace parrotlet
