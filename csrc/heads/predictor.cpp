#include "heads/predictor.h"

#include <string>
#include <vector>

#include "errors.h"
#include "nn/layers.h"
#include "nn/lstm.h"
#include "quant/blocks.h"

namespace parrotlet {

namespace {

constexpr int kMaxHidden = 1 << 16;
constexpr int kMaxContext = 64;  // tokens; NeMo recommends 2

/// torch.nn.Embedding: rows as they are stored, decoded as needed.
class Embedding {
  public:
    Embedding(const Weights& weights, const std::string& name, int rows, int length) {
        const MatrixRows matrix = weights.matrix(name, {size_t(rows), size_t(length)});
        type_ = matrix.type;
        length_ = matrix.length;
        rows_ = Buffer<std::byte>(matrix.rows * row_bytes(type_, length_));
        if (matrix.read) matrix.read(0, matrix.rows, rows_.data());
    }

    size_t length() const { return length_; }
    size_t bytes() const { return rows_.bytes(); }

    void row(int token, float* out) const {
        decode_row(type_, rows_.data() + token * row_bytes(type_, length_), {out, length_});
    }

  private:
    TensorType type_;
    size_t length_;
    Buffer<std::byte> rows_;
};

/// NeMo's RNNTDecoder: an embedding and layers of an LSTM.
class LstmPredictor : public Predictor {
  public:
    LstmPredictor(const Weights& weights, const PredictorConfig& config, int vocab_size)
        : config_(config), embed_(weights, "embed.weight", vocab_size + 1, config.hidden) {
        for (int layer = 0; layer < config.layers; layer++)
            layers_.emplace_back(weights / "dec_rnn.lstm", layer, config.hidden, config.hidden);
    }

    size_t bytes() const override {
        size_t total = embed_.bytes();
        for (const LstmLayer& layer : layers_) total += layer.bytes();
        return total;
    }

    PredictorState state(int rows, int joint_hidden) const override {
        return {rows, {.layers = config_.layers, .hidden = config_.hidden}, joint_hidden};
    }

    const float* advance(Context& context, std::span<const int> tokens,
                         PredictorState& state) const override {
        const int rows = state.rows();
        const size_t length = embed_.length();
        auto* embeddings = context.arena.allocate<float>(rows * length);
        for (int i = 0; i < rows && !context.counts(); i++)
            embed_.row(tokens[i], embeddings + i * length);
        const float* x = embeddings;
        for (int layer = 0; layer < config_.layers; layer++) {
            layers_[layer](context, x, rows, state.cells(layer), state.hidden(layer));
            x = state.hidden(layer);
        }
        return x;
    }

  private:
    PredictorConfig config_;
    Embedding embed_;
    std::vector<LstmLayer> layers_;
};

/// NeMo's StatelessTransducerDecoder: embeddings of the last tokens, side by side, the last token's
/// first. Each place has a table of its own; the last token's is the widest (StatelessNet).
class StatelessPredictor : public Predictor {
  public:
    StatelessPredictor(const Weights& weights, const PredictorConfig& config, int vocab_size)
        : config_(config), blank_(vocab_size) {
        const int narrow = config.hidden / 2 / config.context;
        for (int place = 0; place < config.context; place++)
            embeds_.emplace_back(weights, "embeds." + std::to_string(place) + ".weight",
                                 vocab_size + 1,
                                 place ? narrow : config.hidden - narrow * (config.context - 1));
        if (config.layer_norm) norm_ = LayerNorm(config.hidden);
    }

    size_t bytes() const override {
        size_t total = norm_.bytes();
        for (const Embedding& embed : embeds_) total += embed.bytes();
        return total;
    }

    PredictorState state(int rows, int joint_hidden) const override {
        return {rows, {.history = config_.context, .blank = blank_}, joint_hidden};
    }

    const float* advance(Context& context, std::span<const int> tokens,
                         PredictorState& state) const override {
        const int rows = state.rows();
        auto* output = context.arena.allocate<float>(size_t(rows) * config_.hidden);
        if (context.counts()) return output;
        for (int i = 0; i < rows; i++) {
            const std::span<const int> history = state.push(i, tokens[i]);
            float* out = output + size_t(i) * config_.hidden;
            for (size_t place = 0; place < embeds_.size(); place++) {
                embeds_[place].row(history[history.size() - 1 - place], out);
                out += embeds_[place].length();
            }
        }
        if (config_.layer_norm) norm_.run_serial(context.kernels, output, rows, output);
        return output;
    }

  private:
    PredictorConfig config_;
    int blank_;
    std::vector<Embedding> embeds_;
    LayerNorm norm_;
};

}  // namespace

PredictorConfig read_predictor(const MetadataReader& reader) {
    const int hidden = reader.integer("predictor.hidden", 1, kMaxHidden);
    const std::string type = reader.text("predictor.type", "lstm");
    if (type == "stateless")
        return {.kind = PredictorKind::stateless,
                .hidden = hidden,
                .layers = 0,
                .context = reader.integer("predictor.context", 1, kMaxContext),
                .layer_norm = reader.boolean("predictor.layer_norm")};
    if (type != "lstm")
        throw UnsupportedModelError(reader.file().path() + ": predictor '" + type +
                                    "' is not supported (lstm and stateless are)");
    return {.kind = PredictorKind::lstm,
            .hidden = hidden,
            .layers = reader.integer("predictor.layers", 1, 64),
            .context = 0,
            .layer_norm = false};
}

std::unique_ptr<Predictor> load_predictor(const Weights& prediction, const PredictorConfig& config,
                                          int vocab_size) {
    switch (config.kind) {
        case PredictorKind::lstm:
            return std::make_unique<LstmPredictor>(prediction, config, vocab_size);
        case PredictorKind::stateless:
            return std::make_unique<StatelessPredictor>(prediction, config, vocab_size);
    }
    return nullptr;
}

}  // namespace parrotlet
