#include "decoding/registry.h"

#include <stdexcept>
#include <string>

#include "decoding/beam/beam_ctc.h"
#include "decoding/beam/maes.h"
#include "decoding/beam/malsd.h"
#include "decoding/greedy_ctc.h"
#include "decoding/greedy_transducer.h"

namespace parrotlet {

namespace {

using Made = std::unique_ptr<Search>;

void require(const HeadStrategies& head, Strategy strategy) {
    if (head.has(strategy)) return;
    std::string names;
    for (const Strategy one : head.strategies)
        names.append(names.empty() ? "" : ", ").append(name_of(one));
    throw std::invalid_argument("strategy '" + std::string(name_of(strategy)) + "' is not for " +
                                std::string(head.head) + ", which has " + names);
}

const HeadStrategies& strategies_over(const Transducer& head) {
    if (!head.big_blanks().empty()) return kMultiBlankStrategies;
    return head.durations().empty() ? kRnntStrategies : kTdtStrategies;
}

Made make_ctc_search(const CtcHead& head, const SearchOptions& options) {
    require(kCtcStrategies, options.beam.strategy);
    if (options.beam.strategy == Strategy::beam_batch)
        return std::make_unique<BeamCtc>(head, options);
    return std::make_unique<GreedyCtc>(head, options.scorer);
}

Made make_transducer_search(Context& context, const Transducer& head,
                            const SearchOptions& options) {
    const BeamOptions& beam = options.beam;
    require(strategies_over(head), beam.strategy);
    if (beam.strategy == Strategy::malsd_batch)
        return std::make_unique<Malsd>(context, head, options);
    if (beam.strategy != Strategy::maes_batch)
        return std::make_unique<GreedyTransducer>(context, head, options);
    if (options.scorer && beam.pruning == BeamOptions::Pruning::early &&
        beam.blank_score == BeamOptions::BlankScore::lm_weighted_full)
        throw std::invalid_argument(
            "strategy 'maes_batch' with early pruning has no_score for the blank alone");
    return std::make_unique<Maes>(context, head, options);
}

void check(const SearchOptions& options, int vocab_size) {
    const int size = options.beam.size;
    if (size < 1 || size > BeamOptions::kMostHypotheses)
        throw std::invalid_argument("a beam has from 1 to " +
                                    std::to_string(BeamOptions::kMostHypotheses) +
                                    " hypotheses, not " + std::to_string(size));
    if (!(options.beam.beam_threshold > 0) || !(options.beam.maes_expansion_gamma > 0))
        throw std::invalid_argument(
            "beam_threshold and maes_expansion_gamma are above 0: with less, no hypothesis is "
            "left");
    if (options.scorer) require_vocabulary(*options.scorer, vocab_size);
}

}  // namespace

Made make_search(Context& context, const Head& head, const SearchOptions& options) {
    const StageTimer timer(context.times, Stage::decoding);
    check(options, head.labels() - 1);
    switch (head.kind()) {
        case HeadKind::ctc: return make_ctc_search(static_cast<const CtcHead&>(head), options);
        case HeadKind::transducer:
            return make_transducer_search(context, static_cast<const Transducer&>(head), options);
    }
    return nullptr;  // there is no other kind
}

}  // namespace parrotlet
