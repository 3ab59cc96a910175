#include "heads/transducer.h"

#include "errors.h"

namespace parrotlet {

namespace {

constexpr const char* kBigBlanks = "transducer.big_blanks";
constexpr int kLongestBlank = (1 << 15) - 1;  // encoder frames; NeMo's example has 8

}  // namespace

TransducerConfig read_transducer(const MetadataReader& reader, std::vector<int> durations) {
    TransducerConfig config{.vocab_size = reader.integer("vocab_size"),
                            .durations = std::move(durations),
                            .big_blanks = {},
                            .predictor = read_predictor(reader),
                            .joint = read_joint(reader)};
    if (reader.has(kBigBlanks)) config.big_blanks = reader.integers(kBigBlanks, 1, kLongestBlank);
    if (!config.big_blanks.empty() && !config.durations.empty())
        throw ModelFileError(reader.file().path() + ": " + reader.name(kBigBlanks) +
                             " is for RNNT, which has no durations; convert the checkpoint again");
    if (config.joint.kind == JointKind::hat &&
        !(config.durations.empty() && config.big_blanks.empty()))
        throw ModelFileError(reader.file().path() + ": " + reader.name("joint.type") +
                             " is hat, which has no durations and one blank; convert the "
                             "checkpoint again");
    return config;
}

Transducer::Transducer(const Weights& weights, const TransducerConfig& config, int d_model)
    : config_(config),
      predictor_(
          load_predictor(weights / "decoder" / "prediction", config.predictor, config.vocab_size)),
      enc_(weights / "joint", "enc", d_model, config.joint.hidden),
      pred_(weights / "joint", "pred", config.predictor.hidden, config.joint.hidden),
      joint_(weights / "joint", config.joint,
             config.vocab_size + 1 +
                 static_cast<int>(config.durations.size() + config.big_blanks.size())) {}

size_t Transducer::bytes() const {
    return predictor_->bytes() + enc_.bytes() + pred_.bytes() + joint_.bytes();
}

void Transducer::project_encoder(Context& context, const float* encoded, int frames,
                                 float* f) const {
    enc_(context, encoded, frames, f);
}

void Transducer::advance(Context& context, std::span<const int> tokens,
                         PredictorState& state) const {
    Arena::Scope scope(context.arena);
    const float* output = predictor_->advance(context, tokens, state);
    pred_(context, output, state.rows(), state.projected());
}

PredictorState Transducer::start(Context& context, int rows) const {
    PredictorState state = predictor_->state(rows, config_.joint.hidden);
    advance(context, std::vector<int>(rows, config_.vocab_size), state);
    return state;
}

template <typename PredictionOf>
void Transducer::join(Context& context, std::span<const float* const> frames,
                      PredictionOf prediction_of, float* logits) const {
    Arena::Scope scope(context.arena);
    const int rows = static_cast<int>(frames.size());
    auto* predictions = context.arena.allocate<const float*>(rows);
    for (int i = 0; i < rows && !context.counts(); i++) predictions[i] = prediction_of(i);
    joint_(context, frames, {predictions, frames.size()}, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, float* logits) const {
    const size_t n = config_.joint.hidden;
    join(context, frames, [&](int i) { return state.projected() + i * n; }, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, std::span<const int> rows,
                       float* logits) const {
    const size_t n = config_.joint.hidden;
    join(context, frames, [&](int i) { return state.projected() + rows[i] * n; }, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       std::span<const float* const> predictions, float* logits) const {
    joint_(context, frames, predictions, logits);
}

void Transducer::advance(Context& context, std::span<const int> tokens,
                         std::span<PredictorState* const> states) const {
    if (states.size() == 1) return advance(context, tokens, *states[0]);
    PredictorState joined =
        predictor_->state(static_cast<int>(states.size()), config_.joint.hidden);
    for (int i = 0; i < joined.rows(); i++) joined.put(*states[i], {&i, 1});
    advance(context, tokens, joined);
    for (int i = 0; i < joined.rows(); i++) *states[i] = joined.gather({&i, 1});
}

}  // namespace parrotlet
