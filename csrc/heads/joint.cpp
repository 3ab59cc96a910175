#include "heads/joint.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr float kLeastLabels = 1e-6f;  // HATJoint's bound on the probability of all labels

JointActivation read_activation(const MetadataReader& reader) {
    const std::string name = reader.text("joint.activation");
    if (name == "relu") return JointActivation::relu;
    if (name == "tanh") return JointActivation::tanh;
    if (name == "sigmoid") return JointActivation::sigmoid;
    throw UnsupportedModelError(reader.file().path() + ": joint activation '" + name +
                                "' is not supported (relu, tanh and sigmoid are)");
}

JointKind read_kind(const MetadataReader& reader) {
    const std::string name = reader.text("joint.type", "rnnt");
    if (name == "rnnt") return JointKind::rnnt;
    if (name == "hat") return JointKind::hat;
    throw UnsupportedModelError(reader.file().path() + ": joint '" + name +
                                "' is not supported (rnnt and hat are)");
}

/// log(1 / (1 + e^-x)), torch.nn.LogSigmoid.
float log_sigmoid(float x) { return std::min(x, 0.0f) - std::log1p(std::exp(-std::abs(x))); }

}  // namespace

JointConfig read_joint(const MetadataReader& reader) {
    return {.kind = read_kind(reader),
            .hidden = reader.integer("joint.hidden", 1, 1 << 16),
            .activation = read_activation(reader)};
}

Joint::Joint(const Weights& joint, const JointConfig& config, int outputs)
    : config_(config), outputs_(outputs) {
    const bool hat = config.kind == JointKind::hat;
    net_ = Linear(joint, "joint_net.2", config.hidden, hat ? outputs - 1 : outputs);
    if (!hat) return;
    blank_ = joint.values("blank_pred.2.weight", {size_t(config.hidden)});
    blank_bias_ = joint.values("blank_pred.2.bias", {1});
}

void Joint::operator()(Context& context, std::span<const float* const> frames,
                       std::span<const float* const> predictions, float* out) const {
    Arena::Scope scope(context.arena);
    const int rows = static_cast<int>(frames.size());
    const size_t n = config_.hidden;
    auto* hidden = context.arena.allocate<float>(rows * n);
    for (int i = 0; i < rows && !context.counts(); i++)
        activate(context.kernels, frames[i], predictions[i], hidden + i * n);
    if (config_.kind == JointKind::rnnt) return net_(context, hidden, rows, out);
    const int labels = net_.out();
    auto* logits = context.arena.allocate<float>(size_t(rows) * labels);
    net_(context, hidden, rows, logits);
    if (context.counts()) return;
    log_softmax(logits, rows, labels);
    for (int i = 0; i < rows; i++, logits += labels, out += outputs_) {
        const float blank = blank_log_prob(frames[i], predictions[i]);
        const float not_blank = std::log(std::max(1.0f - std::exp(blank), kLeastLabels));
        std::transform(logits, logits + labels, out,
                       [not_blank](float label) { return not_blank + label; });
        out[labels] = blank;
    }
}

void Joint::activate(const KernelTable& kernels, const float* frame, const float* prediction,
                     float* hidden) const {
    const int n = config_.hidden;
    switch (config_.activation) {
        case JointActivation::relu: return kernels.relu_add(frame, prediction, n, hidden);
        case JointActivation::tanh:
            // Not kernels.tanh_add, whose last bits are others.
            for (int i = 0; i < n; i++) hidden[i] = std::tanh(frame[i] + prediction[i]);
            return;
        case JointActivation::sigmoid:
            for (int i = 0; i < n; i++)
                hidden[i] = 1.0f / (1.0f + std::exp(-(frame[i] + prediction[i])));
            return;
    }
}

/// HATJoint.blank_pred: tanh, a linear layer, and a logarithm of a sigmoid.
float Joint::blank_log_prob(const float* frame, const float* prediction) const {
    float sum = blank_bias_[0];
    for (int i = 0; i < config_.hidden; i++) sum += blank_[i] * std::tanh(frame[i] + prediction[i]);
    return log_sigmoid(sum);
}

}  // namespace parrotlet
