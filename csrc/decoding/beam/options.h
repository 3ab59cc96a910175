// What a beam search is told; NeMo's names and defaults.
#pragma once

#include "decoding/beam/strategy.h"

namespace parrotlet {

/// How many hypotheses there are, and how they are extended, scored and dropped.
///
/// Source: NeMo `BeamRNNTInferConfig`, `BeamBatchedRNNTInfer`, `BeamBatchedTDTInfer` and
/// `BeamBatchedCTCInfer`.
struct BeamOptions {
    static constexpr int kMostHypotheses = 256;

    Strategy strategy = Strategy::greedy_batch;
    int size = 4;  ///< hypotheses, from 1 to kMostHypotheses

    /// Whether a scorer counts before a hypothesis chooses its best extensions, or after it.
    enum class Pruning { late, early } pruning = Pruning::late;

    /// lm_weighted_full multiplies the blank's log-probability by one more than the scorer's
    /// weight, and adds to every token the log-probability that it is one, times that weight.
    enum class BlankScore { lm_weighted_full, no_score } blank_score = BlankScore::lm_weighted_full;

    /// Whether hypotheses of a transducer are ordered by score / (tokens + 1) in the end.
    bool score_norm = true;

    int maes_num_steps = 2;             ///< tokens per frame at most
    int maes_expansion_beta = 2;        ///< extensions that are looked at beyond the beam's size
    double maes_expansion_gamma = 2.3;  ///< extensions so far below the best one are dropped

    double beam_beta = 0;        ///< CTC: what each token adds to the score
    double beam_threshold = 20;  ///< CTC: hypotheses so far below the best one are dropped
};

}  // namespace parrotlet
