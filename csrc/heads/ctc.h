// Connectionist temporal classification (Graves et al. 2006): a distribution over labels per frame.
#pragma once

#include "heads/head.h"
#include "nn/layers.h"

namespace parrotlet {

/// NeMo's ConvASRDecoder: a linear layer and its log-softmax.
class CtcHead : public Head {
  public:
    static constexpr HeadKind kKind = HeadKind::ctc;

    /// Reads the linear layer `scope` [vocab_size + 1, d_model].
    CtcHead(const Weights& weights, const std::string& scope, int d_model, int vocab_size);

    HeadKind kind() const override { return kKind; }
    int labels() const override { return linear_.out(); }
    int d_model() const { return linear_.in(); }
    size_t bytes() const override { return linear_.bytes(); }

    /// log_probs[frames, labels()] of encoded[frames, d_model], blank last.
    void log_probs(Context& context, const float* encoded, int frames, float* log_probs) const;

  private:
    Linear linear_;
};

}  // namespace parrotlet
