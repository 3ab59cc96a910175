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
    if (reader.file().metadata().contains(reader.name(kBigBlanks)))
        config.big_blanks = reader.integers(kBigBlanks, 1, kLongestBlank);
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

template <typename RowOf>
void Transducer::join(Context& context, std::span<const float* const> frames,
                      const PredictorState& state, RowOf row_of, float* logits) const {
    Arena::Scope scope(context.arena);
    const int rows = static_cast<int>(frames.size());
    auto* predictions = context.arena.allocate<const float*>(rows);
    for (int i = 0; i < rows && !context.counts(); i++)
        predictions[i] = state.projected() + size_t(row_of(i)) * config_.joint.hidden;
    joint_(context, frames, {predictions, frames.size()}, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, float* logits) const {
    join(context, frames, state, [](int i) { return i; }, logits);
}

void Transducer::joint(Context& context, std::span<const float* const> frames,
                       const PredictorState& state, std::span<const int> rows,
                       float* logits) const {
    join(context, frames, state, [rows](int i) { return rows[i]; }, logits);
}

}  // namespace parrotlet
