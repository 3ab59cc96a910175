// The joint network of a transducer: an encoder frame and a prediction become labels.
#pragma once

#include <span>

#include "gguf/metadata.h"
#include "nn/layers.h"

namespace parrotlet {

/// What the joint applies to the sum of its two projections.
enum class JointActivation { relu, tanh, sigmoid };

/// What the joint's outputs are.
enum class JointKind {
    rnnt,  ///< logits of all labels, then of durations (RNNTJoint)
    hat,   ///< log-probabilities: the blank's from a layer of its own (HATJoint)
};

struct JointConfig {
    JointKind kind;
    int hidden;
    JointActivation activation;
};

/// Throws ModelFileError for absent or impossible sizes, UnsupportedModelError for a kind or an
/// activation that is not known.
JointConfig read_joint(const MetadataReader& reader);

/// What follows the projections in NeMo's RNNTJoint and HATJoint.
class Joint {
  public:
    /// Reads "joint_net.2", and of a HAT "blank_pred.2", of the scope `joint`. `outputs` are the
    /// labels, the blank among them, and the durations.
    Joint(const Weights& joint, const JointConfig& config, int outputs);

    size_t bytes() const { return net_.bytes() + blank_.bytes() + blank_bias_.bytes(); }
    int hidden() const { return config_.hidden; }
    int outputs() const { return outputs_; }

    /// Row i of out[rows, outputs()] is that of frames[i] + predictions[i], each of hidden()
    /// values.
    void operator()(Context& context, std::span<const float* const> frames,
                    std::span<const float* const> predictions, float* out) const;

  private:
    void activate(const KernelTable& kernels, const float* frame, const float* prediction,
                  float* hidden) const;
    float blank_log_prob(const float* frame, const float* prediction) const;

    JointConfig config_;
    int outputs_;
    Linear net_;
    Buffer<float> blank_;  ///< [hidden], of a HAT
    Buffer<float> blank_bias_;
};

}  // namespace parrotlet
