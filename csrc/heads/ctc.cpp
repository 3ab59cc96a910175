#include "heads/ctc.h"

namespace parrotlet {

CtcHead::CtcHead(const Weights& weights, const std::string& scope, int d_model, int vocab_size)
    : linear_(weights, scope, d_model, vocab_size + 1) {}

void CtcHead::log_probs(Context& context, const float* encoded, int frames,
                        float* log_probs) const {
    linear_(context, encoded, frames, log_probs);
    if (!context.counts()) log_softmax(log_probs, frames, labels());
}

}  // namespace parrotlet
