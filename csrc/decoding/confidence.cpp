#include "decoding/confidence.h"

#include <algorithm>
#include <cmath>

namespace parrotlet {

namespace {

constexpr double kAlpha = 0.33;  // ConfidenceMethodConfig.alpha; 1 would mean no scaling

}  // namespace

double max_prob(double log_prob, int classes) {
    if (classes < 2) return 1.0;
    const double scale = std::pow(static_cast<double>(classes), kAlpha);
    const double value = (std::exp(log_prob * kAlpha) * scale - 1.0) / (scale - 1.0);
    // Rounding in the softmax can leave the interval by an ulp.
    return std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : 0.0;
}

double log_softmax_max(std::span<const float> logits, float top) {
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(double{logit} - double{top});
    return -std::log(sum);
}

}  // namespace parrotlet
