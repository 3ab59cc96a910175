// The prediction network and joint of RNNT, TDT and HAT models.
//
// Both take several hypotheses at once, a row each. What a row gets does not depend on the others.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gguf/metadata.h"
#include "heads/head.h"
#include "heads/joint.h"
#include "heads/predictor.h"
#include "nn/layers.h"

namespace parrotlet {

struct TransducerConfig {
    int vocab_size;              ///< without the blank, which comes last
    std::vector<int> durations;  ///< frames that each duration of a TDT joint stands for
    /// Frames that each blank beside the usual one stands for (multi-blank RNNT,
    /// https://arxiv.org/abs/2211.03541).
    std::vector<int> big_blanks;
    PredictorConfig predictor;
    JointConfig joint;
};

/// Throws ModelFileError for absent or impossible sizes, UnsupportedModelError for a predictor, a
/// joint or an activation that is not known. RNNT and HAT have no durations.
TransducerConfig read_transducer(const MetadataReader& reader, std::vector<int> durations);

class Transducer : public Head {
  public:
    static constexpr HeadKind kKind = HeadKind::transducer;

    /// Reads "decoder.prediction" and "joint" of the model's weights.
    Transducer(const Weights& weights, const TransducerConfig& config, int d_model);

    HeadKind kind() const override { return kKind; }
    int labels() const override { return config_.vocab_size + 1; }
    size_t bytes() const override;
    int blank() const { return config_.vocab_size; }
    int d_model() const { return enc_.in(); }
    const std::vector<int>& durations() const { return config_.durations; }
    const std::vector<int>& big_blanks() const { return config_.big_blanks; }
    /// Of the joint: labels, then durations or big blanks.
    int outputs() const { return joint_.outputs(); }
    int joint_hidden() const { return joint_.hidden(); }

    /// f[frames, joint_hidden] from encoder frames (RNNTJoint.project_encoder).
    void project_encoder(Context& context, const float* encoded, int frames, float* f) const;

    /// The state of `rows` hypotheses before any token: a step on the blank, which NeMo's greedy
    /// decoding takes as the start of sequence. (Training leaves the blank's embedding at zero.)
    PredictorState start(Context& context, int rows = 1) const;

    /// Advances every row of the state by its emitted token, in [0, vocab_size].
    void advance(Context& context, std::span<const int> tokens, PredictorState& state) const;

    /// logits[rows, outputs()]: row i of the state at the projected encoder frame frames[i]. Those
    /// of a HAT are log-probabilities already.
    void joint(Context& context, std::span<const float* const> frames, const PredictorState& state,
               float* logits) const;

    /// The same of some rows of the state: row i is the state's rows[i] at frames[i].
    void joint(Context& context, std::span<const float* const> frames, const PredictorState& state,
               std::span<const int> rows, float* logits) const;

    /// advance() of several states, of one row each.
    void advance(Context& context, std::span<const int> tokens,
                 std::span<PredictorState* const> states) const;

    /// logits[rows, outputs()]: row i is the prediction predictions[i], a row of some state's
    /// projected(), at frames[i].
    void joint(Context& context, std::span<const float* const> frames,
               std::span<const float* const> predictions, float* logits) const;

  private:
    /// joint() where prediction_of(i) is the prediction of row i.
    template <typename PredictionOf>
    void join(Context& context, std::span<const float* const> frames, PredictionOf prediction_of,
              float* logits) const;

    TransducerConfig config_;
    std::unique_ptr<Predictor> predictor_;
    Linear enc_, pred_;
    Joint joint_;
};

}  // namespace parrotlet
