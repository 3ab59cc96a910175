#include "heads/transducer.h"

#include <algorithm>
#include <cmath>

#include "quant/blocks.h"

namespace parrotlet {

Transducer::Transducer(const Weights& weights, const DecoderConfig& config, int d_model)
    : config_(config) {
    const Weights prediction = weights / "decoder" / "prediction";
    const int hidden = config.predictor_hidden;
    const MatrixRows embed =
        prediction.matrix("embed.weight", {size_t(config.vocab_size) + 1, size_t(hidden)});
    embed_type_ = embed.type;
    embed_ = Buffer<std::byte>(embed.rows * row_bytes(embed.type, embed.length));
    embed.read(0, embed.rows, embed_.data());
    for (int layer = 0; layer < config.predictor_layers; layer++)
        lstm_.emplace_back(prediction / "dec_rnn.lstm", layer, hidden, hidden);
    const Weights joint = weights / "joint";
    enc_ = Linear(joint, "enc", d_model, config.joint_hidden);
    pred_ = Linear(joint, "pred", hidden, config.joint_hidden);
    joint_net_ = Linear(joint, "joint_net.2", config.joint_hidden,
                        config.vocab_size + 1 + config.n_durations);
}

void Transducer::project_encoder(Context& context, const float* encoded, int frames,
                                 float* f) const {
    enc_(context, encoded, frames, f);
}

void Transducer::advance(Context& context, int token, PredictorState& state) const {
    const size_t length = config_.predictor_hidden;
    Arena::Scope scope(context.arena);
    auto* embedding = context.arena.allocate<float>(length);
    decode_row(embed_type_, embed_.data() + token * row_bytes(embed_type_, length),
               {embedding, length});
    const float* x = embedding;
    for (size_t layer = 0; layer < lstm_.size(); layer++) {
        float* hidden = state.hidden.data() + layer * config_.predictor_hidden;
        lstm_[layer](context, x, state.cells.data() + layer * config_.predictor_hidden, hidden);
        x = hidden;
    }
    pred_(context, x, 1, state.projected.data());
}

PredictorState Transducer::start(Context& context) const {
    const size_t size = lstm_.size() * config_.predictor_hidden;
    PredictorState state{std::vector<float>(size), std::vector<float>(size),
                         std::vector<float>(config_.joint_hidden)};
    advance(context, config_.vocab_size, state);
    return state;
}

void Transducer::joint(Context& context, const float* frame, const PredictorState& state,
                       float* logits) const {
    Arena::Scope scope(context.arena);
    const int n = config_.joint_hidden;
    auto* hidden = context.arena.allocate<float>(n);
    if (config_.joint_activation == "relu") {
        context.kernels.relu_add(frame, state.projected.data(), n, hidden);
    } else {
        const bool tanh = config_.joint_activation == "tanh";
        for (int i = 0; i < n; i++) {
            const float sum = frame[i] + state.projected[i];
            hidden[i] = tanh ? std::tanh(sum) : 1.0f / (1.0f + std::exp(-sum));
        }
    }
    joint_net_(context, hidden, 1, logits);
}

}  // namespace parrotlet
