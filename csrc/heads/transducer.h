// The prediction network and joint of RNNT and TDT models; NeMo's RNNTDecoder and RNNTJoint.
#pragma once

#include <vector>

#include "heads/config.h"
#include "nn/layers.h"
#include "nn/lstm.h"

namespace parrotlet {

/// What a predictor has heard so far: the LSTM state, and the joint's projection of its output.
struct PredictorState {
    std::vector<float> cells, hidden;  ///< [layers, predictor_hidden]
    std::vector<float> projected;      ///< [joint_hidden]
};

class Transducer {
  public:
    /// Reads "decoder.prediction" and "joint" of the model's weights.
    Transducer(const Weights& weights, const DecoderConfig& config, int d_model);

    /// f[frames, joint_hidden] from encoder frames (RNNTJoint.project_encoder).
    void project_encoder(Context& context, const float* encoded, int frames, float* f) const;

    /// The state before any token: a step on the blank, which NeMo's greedy decoding takes as the
    /// start of sequence. (Training leaves the blank's embedding at zero.)
    PredictorState start(Context& context) const;

    /// Advances the state by an emitted token, in [0, vocab_size].
    void advance(Context& context, int token, PredictorState& state) const;

    /// logits[outputs()] of one projected encoder frame: tokens, blank, then durations.
    void joint(Context& context, const float* frame, const PredictorState& state,
               float* logits) const;

    int outputs() const { return joint_net_.out(); }
    int joint_hidden() const { return config_.joint_hidden; }

  private:
    DecoderConfig config_;
    TensorType embed_type_ = TensorType::f32;
    Buffer<std::byte> embed_;  ///< [vocab_size + 1, predictor_hidden], rows decoded as needed
    std::vector<LstmLayer> lstm_;
    Linear enc_, pred_, joint_net_;
};

}  // namespace parrotlet
