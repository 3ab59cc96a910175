// Confidence of emitted tokens.
//
// Source: NeMo nemo.collections.asr.parts.utils.asr_confidence_utils, ConfidenceMethodConfig with
// name="max_prob" and otherwise defaults; blanks and durations are left out (ConfidenceConfig).
#pragma once

#include <span>

namespace parrotlet {

/// Confidence of a prediction among `classes`, blank included, from the log-probability of the best
/// one: (p^a N^a - 1) / (N^a - 1) with NeMo's a = 0.33. It is 0 when all are equally likely and 1
/// when the best is certain; 0 if it is not a number.
double max_prob(double log_prob, int classes);

/// Log-probability of the largest of `logits`, which is `top`.
double log_softmax_max(std::span<const float> logits, float top);

}  // namespace parrotlet
