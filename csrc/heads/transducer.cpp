#include "heads/transducer.h"

#include <cmath>

#include "errors.h"
#include "quant/blocks.h"

namespace parrotlet {

namespace {

JointActivation read_activation(const MetadataReader& reader) {
    const std::string name = reader.text("joint.activation");
    if (name == "relu") return JointActivation::relu;
    if (name == "tanh") return JointActivation::tanh;
    if (name == "sigmoid") return JointActivation::sigmoid;
    throw UnsupportedModelError(reader.file().path() + ": joint activation '" + name +
                                "' is not supported (relu, tanh and sigmoid are)");
}

}  // namespace

TransducerConfig read_transducer(const MetadataReader& reader, std::vector<int> durations) {
    return {.vocab_size = reader.integer("vocab_size"),
            .durations = std::move(durations),
            .predictor_hidden = reader.integer("predictor.hidden", 1, 1 << 16),
            .predictor_layers = reader.integer("predictor.layers", 1, 64),
            .joint_hidden = reader.integer("joint.hidden", 1, 1 << 16),
            .activation = read_activation(reader)};
}

Transducer::Transducer(const Weights& weights, const TransducerConfig& config, int d_model)
    : config_(config) {
    const Weights prediction = weights / "decoder" / "prediction";
    const int hidden = config.predictor_hidden;
    const MatrixRows embed =
        prediction.matrix("embed.weight", {size_t(config.vocab_size) + 1, size_t(hidden)});
    embed_type_ = embed.type;
    embed_ = Buffer<std::byte>(embed.rows * row_bytes(embed.type, embed.length));
    if (embed.read) embed.read(0, embed.rows, embed_.data());
    for (int layer = 0; layer < config.predictor_layers; layer++)
        lstm_.emplace_back(prediction / "dec_rnn.lstm", layer, hidden, hidden);
    const Weights joint = weights / "joint";
    enc_ = Linear(joint, "enc", d_model, config.joint_hidden);
    pred_ = Linear(joint, "pred", hidden, config.joint_hidden);
    joint_net_ = Linear(joint, "joint_net.2", config.joint_hidden,
                        config.vocab_size + 1 + static_cast<int>(config.durations.size()));
}

size_t Transducer::bytes() const {
    size_t total = embed_.bytes() + enc_.bytes() + pred_.bytes() + joint_net_.bytes();
    for (const LstmLayer& layer : lstm_) total += layer.bytes();
    return total;
}

void Transducer::project_encoder(Context& context, const float* encoded, int frames,
                                 float* f) const {
    enc_(context, encoded, frames, f);
}

void Transducer::advance(Context& context, std::span<const int> tokens,
                         PredictorState& state) const {
    const size_t length = config_.predictor_hidden;
    const int rows = state.rows();
    Arena::Scope scope(context.arena);
    auto* embeddings = context.arena.allocate<float>(rows * length);
    for (int i = 0; i < rows && !context.counts(); i++)
        decode_row(embed_type_, embed_.data() + tokens[i] * row_bytes(embed_type_, length),
                   {embeddings + i * length, length});
    const float* x = embeddings;
    for (size_t layer = 0; layer < lstm_.size(); layer++) {
        const int index = static_cast<int>(layer);
        lstm_[layer](context, x, rows, state.cells(index), state.hidden(index));
        x = state.hidden(index);
    }
    pred_(context, x, rows, state.projected());
}

PredictorState Transducer::start(Context& context, int rows) const {
    PredictorState state(rows, config_.predictor_layers, config_.predictor_hidden,
                         config_.joint_hidden);
    advance(context, std::vector<int>(rows, config_.vocab_size), state);
    return state;
}

void Transducer::activate(const KernelTable& kernels, const float* frame, const float* projected,
                          float* hidden) const {
    const int n = config_.joint_hidden;
    switch (config_.activation) {
        case JointActivation::relu: return kernels.relu_add(frame, projected, n, hidden);
        case JointActivation::tanh:
            // Not kernels.tanh_add, whose last bits are others.
            for (int i = 0; i < n; i++) hidden[i] = std::tanh(frame[i] + projected[i]);
            return;
        case JointActivation::sigmoid:
            for (int i = 0; i < n; i++)
                hidden[i] = 1.0f / (1.0f + std::exp(-(frame[i] + projected[i])));
            return;
    }
}

template <typename PredictionOf>
void Transducer::join(Context& context, std::span<const float* const> frames,
                      PredictionOf prediction_of, float* logits) const {
    Arena::Scope scope(context.arena);
    const int rows = static_cast<int>(frames.size());
    const size_t n = config_.joint_hidden;
    auto* hidden = context.arena.allocate<float>(rows * n);
    for (int i = 0; i < rows && !context.counts(); i++)
        activate(context.kernels, frames[i], prediction_of(i), hidden + i * n);
    joint_net_(context, hidden, rows, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, float* logits) const {
    const size_t n = config_.joint_hidden;
    join(context, frames, [&](int i) { return state.projected() + i * n; }, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, std::span<const int> rows,
                       float* logits) const {
    const size_t n = config_.joint_hidden;
    join(context, frames, [&](int i) { return state.projected() + rows[i] * n; }, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       std::span<const float* const> predictions, float* logits) const {
    join(context, frames, [&](int i) { return predictions[i]; }, logits);
}

void Transducer::advance(Context& context, std::span<const int> tokens,
                         std::span<PredictorState* const> states) const {
    if (states.size() == 1) return advance(context, tokens, *states[0]);
    PredictorState joined(static_cast<int>(states.size()), config_.predictor_layers,
                          config_.predictor_hidden, config_.joint_hidden);
    for (int i = 0; i < joined.rows(); i++) joined.put(*states[i], {&i, 1});
    advance(context, tokens, joined);
    for (int i = 0; i < joined.rows(); i++) *states[i] = joined.gather({&i, 1});
}

}  // namespace parrotlet
