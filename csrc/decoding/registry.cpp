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

[[noreturn]] void refuse(Strategy strategy, const std::string& reason) {
    throw std::invalid_argument("strategy '" + std::string(name_of(strategy)) + "' " + reason);
}

Made make_ctc_search(const CtcHead& head, const SearchOptions& options) {
    const Strategy strategy = options.beam.strategy;
    if (strategy == Strategy::greedy_batch)
        return std::make_unique<GreedyCtc>(head, options.scorer);
    if (strategy == Strategy::beam_batch) return std::make_unique<BeamCtc>(head, options);
    refuse(strategy, "is for transducers; CTC has greedy_batch and beam_batch");
}

Made make_transducer_search(Context& context, const Transducer& head,
                            const SearchOptions& options) {
    const Strategy strategy = options.beam.strategy;
    if (!head.big_blanks().empty() && strategy != Strategy::greedy_batch)
        refuse(strategy, "is not for multi-blank RNNT, which has greedy_batch alone");
    switch (strategy) {
        case Strategy::greedy_batch:
            return std::make_unique<GreedyTransducer>(context, head, options);
        case Strategy::malsd_batch: return std::make_unique<Malsd>(context, head, options);
        case Strategy::maes_batch:
            if (!head.durations().empty())
                refuse(strategy, "is for RNNT; TDT has greedy_batch and malsd_batch");
            if (options.scorer && options.beam.pruning == BeamOptions::Pruning::early &&
                options.beam.blank_score == BeamOptions::BlankScore::lm_weighted_full)
                refuse(strategy, "with early pruning has no_score for the blank alone");
            return std::make_unique<Maes>(context, head, options);
        case Strategy::beam_batch: break;
    }
    refuse(strategy, "is for CTC; transducers have greedy_batch, malsd_batch and maes_batch");
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
