// Models of any shape, run on any samples: the bytes choose sizes, types, weights, an instruction
// set, and what is asked of the model, and may then spoil a few bytes of the file.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <random>
#include <stdexcept>

#include "decoding/planner.h"
#include "decoding/registry.h"
#include "errors.h"
#include "gguf_bytes.h"
#include "heads/ctc.h"
#include "heads/transducer.h"
#include "kernels/dispatch.h"
#include "models/acoustic_stream.h"
#include "quant/blocks.h"

namespace {

using namespace parrotlet;
using fuzz::GgufBytes;

/// What the metadata says, small enough that a run takes milliseconds.
struct Shape {
    int n_fft, window, hop, mels, layers, heads, d_head, d_ff, kernel, left, stages, channels;
    int vocab, hidden, predictor_layers, context, joint, durations;
    bool normalize, xscaling, chunked, layer_norm, dw_striding, causal, biases, ctc, transducer;
    bool hat;
    std::string activation;

    explicit Shape(FuzzedDataProvider& in) {
        const auto number = [&](int low, int high) { return in.ConsumeIntegralInRange(low, high); };
        n_fft = number(2, 300);
        window = number(1, n_fft);
        hop = number(1, 400);
        mels = number(1, 40);
        layers = number(1, 2);
        heads = number(1, 5);
        d_head = number(1, 40);
        if (heads * d_head % 2 != 0) d_head++;
        d_ff = number(1, 130);
        kernel = number(1, 33);
        left = number(0, kernel - 1);
        stages = number(1, 4);
        channels = number(1, 40);
        vocab = number(1, 40);
        hidden = number(1, 70);
        predictor_layers = number(1, 2);
        joint = number(1, 70);
        durations = number(0, 5);
        normalize = in.ConsumeBool();
        xscaling = in.ConsumeBool();
        chunked = in.ConsumeBool();
        layer_norm = in.ConsumeBool();
        dw_striding = in.ConsumeBool();
        causal = in.ConsumeBool();
        biases = in.ConsumeBool();
        ctc = in.ConsumeBool();
        transducer = !ctc || in.ConsumeBool();
        activation = in.PickValueInArray({"relu", "tanh", "sigmoid"});
        context = in.ConsumeBool() ? number(1, 3) : 0;  // of a stateless predictor
        hidden = std::max(hidden, 2 * context);
        hat = durations == 0 && in.ConsumeBool();
    }

    int d_model() const { return heads * d_head; }
};

void add_metadata(GgufBytes& file, const Shape& s, FuzzedDataProvider& in) {
    const auto integer = [&](const char* key, int value) {
        file.add(std::string("conformer.") + key, static_cast<uint32_t>(value));
    };
    const auto text = [&](const char* key, const std::string& value) {
        file.add(std::string("conformer.") + key, value);
    };
    file.add("general.architecture", std::string("conformer"));
    integer("format_version", 1);
    integer("features.sample_rate", 16000);
    integer("features.n_fft", s.n_fft);
    integer("features.window_length", s.window);
    integer("features.hop_length", s.hop);
    integer("features.mel_bands", s.mels);
    for (const char* key : {"preemphasis", "log_zero_guard", "mag_power"})
        file.add(std::string("conformer.features.") + key, in.ConsumeFloatingPoint<float>());
    text("features.normalize", s.normalize ? "per_feature" : "none");
    integer("block_count", s.layers);
    integer("embedding_length", s.d_model());
    integer("feed_forward_length", s.d_ff);
    integer("attention.head_count", s.heads);
    text("attention.style", s.chunked ? "chunked_limited" : "regular");
    file.add("conformer.xscaling", s.xscaling);
    integer("conv.kernel_size", s.kernel);
    file.add("conformer.conv.context", std::vector<int32_t>{s.left, s.kernel - 1 - s.left});
    text("conv.norm", s.layer_norm ? "layer_norm" : "folded");
    text("subsampling.type", s.dw_striding ? "dw_striding" : "striding");
    integer("subsampling.factor", 1 << s.stages);
    integer("subsampling.channels", s.channels);
    file.add("conformer.subsampling.causal", s.causal);
    integer("vocab_size", s.vocab);
    std::vector<std::string> heads;
    if (s.transducer) heads.emplace_back(s.durations > 0 ? "tdt" : "rnnt");
    if (s.ctc) heads.emplace_back("ctc");
    file.add("conformer.heads", heads);
    file.add("conformer.tdt.durations", std::vector<int32_t>(s.durations, 1));
    integer("predictor.hidden", s.hidden);
    text("predictor.type", s.context > 0 ? "stateless" : "lstm");
    integer("predictor.layers", s.predictor_layers);
    integer("predictor.context", s.context);
    file.add("conformer.predictor.layer_norm", s.layer_norm);
    text("joint.type", s.hat ? "hat" : "rnnt");
    integer("joint.hidden", s.joint);
    text("joint.activation", s.activation);
}

/// Adds tensors, with weights drawn at random or, if asked for, values no training leaves behind.
class Tensors {
  public:
    Tensors(GgufBytes& file, FuzzedDataProvider& in)
        : file_(file),
          types_(in.ConsumeIntegral<uint32_t>()),
          wild_(in.ConsumeIntegral<uint8_t>() < 64),
          rng_(in.ConsumeIntegral<uint32_t>()) {}

    void vector(const std::string& name, int n) { add(name, {uint64_t(n)}, TensorType::f32); }
    void table(const std::string& name, int rows, int columns) {
        add(name, {uint64_t(columns), uint64_t(rows)}, TensorType::f32);
    }
    /// A matrix of any type that its rows divide into.
    void matrix(const std::string& name, int rows, int columns) {
        const auto types = tensor_types();
        // One type for most matrices, since some have to agree.
        const TensorType wanted = types[types_ % types.size()];
        const bool fits = columns % block_layout(wanted).elements == 0;
        add(name, {uint64_t(columns), uint64_t(rows)}, fits ? wanted : TensorType::f16);
    }
    void linear(const std::string& name, int rows, int columns, bool bias = true) {
        matrix(name + ".weight", rows, columns);
        if (bias) vector(name + ".bias", rows);
    }
    void norm(const std::string& name, int n) {
        vector(name + ".weight", n);
        vector(name + ".bias", n);
    }

  private:
    void add(const std::string& name, const std::vector<uint64_t>& ne, TensorType type) {
        uint64_t rows = 1;
        for (size_t i = 1; i < ne.size(); i++) rows *= ne[i];
        std::vector<uint8_t> data(rows * row_bytes(type, ne[0]));
        if (type != TensorType::f32 && wild_) {
            for (uint8_t& byte : data) byte = static_cast<uint8_t>(rng_());
        } else {
            std::vector<float> row(ne[0]);
            for (uint64_t r = 0; r < rows; r++) {
                for (float& value : row) value = draw();
                encode_row(type, row,
                           reinterpret_cast<std::byte*>(data.data()) + r * row_bytes(type, ne[0]));
            }
        }
        file_.tensor(name, ne, static_cast<uint32_t>(type), std::move(data));
    }

    float draw() {
        if (wild_ && rng_() % 64 == 0) return std::bit_cast<float>(static_cast<uint32_t>(rng_()));
        return static_cast<float>(static_cast<int>(rng_() % 2001) - 1000) / 1000.0f;
    }

    GgufBytes& file_;
    uint32_t types_;
    bool wild_;
    std::minstd_rand rng_;
};

void add_subsampling(Tensors& t, const Shape& s) {
    const std::string conv = "encoder.pre_encode.conv.";
    t.table(conv + "0.weight", s.channels, 9);
    t.vector(conv + "0.bias", s.channels);
    int bins = s.mels;
    for (int stage = 0; stage < s.stages; stage++) {
        bins = s.causal ? bins / 2 + 1 : (bins + 1) / 2;
        if (stage == 0) continue;
        const std::string index = std::to_string(s.dw_striding ? 3 * stage - 1 : 2 * stage);
        t.table(conv + index + ".weight", s.channels, s.dw_striding ? 9 : 9 * s.channels);
        t.vector(conv + index + ".bias", s.channels);
        if (s.dw_striding) t.linear(conv + std::to_string(3 * stage), s.channels, s.channels);
    }
    t.linear("encoder.pre_encode.out", s.d_model(), s.channels * bins);
}

void add_layer(Tensors& t, const Shape& s, const std::string& name) {
    const int d = s.d_model();
    for (const char* norm : {"feed_forward1", "self_att", "conv", "feed_forward2", "out"})
        t.norm(name + "norm_" + norm, d);
    for (const char* module : {"feed_forward1.linear", "feed_forward2.linear"}) {
        t.linear(name + module + "1", s.d_ff, d, s.biases);
        t.linear(name + module + "2", d, s.d_ff, s.biases);
    }
    for (const char* linear : {"q", "k", "v", "out"})
        t.linear(name + "self_attn.linear_" + linear, d, d, s.biases);
    t.linear(name + "self_attn.linear_pos", d, d, false);
    t.table(name + "self_attn.pos_bias_u", s.heads, s.d_head);
    t.table(name + "self_attn.pos_bias_v", s.heads, s.d_head);
    t.linear(name + "conv.pointwise_conv1", 2 * d, d, s.biases);
    t.table(name + "conv.depthwise_conv.weight", d, s.kernel);
    t.vector(name + "conv.depthwise_conv.bias", d);
    if (s.layer_norm) t.norm(name + "conv.batch_norm", d);
    t.linear(name + "conv.pointwise_conv2", d, d, s.biases);
}

void add_predictor(Tensors& t, const Shape& s) {
    const std::string prediction = "decoder.prediction.";
    for (int place = 0; place < s.context; place++) {
        const int narrow = s.hidden / 2 / s.context;
        const int width = place > 0 ? narrow : s.hidden - narrow * (s.context - 1);
        t.matrix(prediction + "embeds." + std::to_string(place) + ".weight", s.vocab + 1, width);
    }
    if (s.context > 0) return;
    const std::string lstm = prediction + "dec_rnn.lstm.";
    t.matrix(prediction + "embed.weight", s.vocab + 1, s.hidden);
    for (int i = 0; i < s.predictor_layers; i++) {
        const std::string layer = "_l" + std::to_string(i);
        t.matrix(lstm + "weight_ih" + layer, 4 * s.hidden, s.hidden);
        t.matrix(lstm + "weight_hh" + layer, 4 * s.hidden, s.hidden);
        t.vector(lstm + "bias" + layer, 4 * s.hidden);
    }
}

void add_tensors(Tensors& t, const Shape& s) {
    t.table("preprocessor.featurizer.fb", s.mels, s.n_fft / 2 + 1);
    t.vector("preprocessor.featurizer.window", s.window);
    add_subsampling(t, s);
    for (int i = 0; i < s.layers; i++) add_layer(t, s, "encoder.layers." + std::to_string(i) + ".");
    if (s.ctc) t.linear("ctc_decoder.decoder_layers.0", s.vocab + 1, s.d_model());
    if (!s.transducer) return;
    add_predictor(t, s);
    t.linear("joint.enc", s.joint, s.d_model());
    t.linear("joint.pred", s.joint, s.hidden);
    t.linear("joint.joint_net.2", s.vocab + !s.hat + s.durations, s.joint);
    if (!s.hat) return;
    t.vector("joint.blank_pred.2.weight", s.joint);
    t.vector("joint.blank_pred.2.bias", 1);
}

/// Overwrites a few bytes of what comes before the weights.
void spoil(std::vector<uint8_t>& file, FuzzedDataProvider& in) {
    for (int n = in.ConsumeIntegralInRange(0, 3); n > 0; n--) {
        const auto position =
            in.ConsumeIntegralInRange<size_t>(0, std::min<size_t>(6000, file.size() - 1));
        file[position] = in.ConsumeIntegral<uint8_t>();
    }
}

std::vector<float> samples(FuzzedDataProvider& in, int most) {
    std::vector<float> result(in.ConsumeIntegralInRange(0, most));
    std::minstd_rand rng(in.ConsumeIntegral<uint32_t>());
    const float scale = in.ConsumeFloatingPointInRange(0.0f, 2.0f);
    for (float& value : result) value = scale * (static_cast<float>(rng() % 2001) / 1000.0f - 1.0f);
    return result;
}

/// Of NaNs, which a spoiled file may bring, the bits depend on the order of operands.
bool same_bits(float a, float b) {
    return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b);
}

void run_transducer(Context& context, const Transducer& transducer,
                    const std::vector<float>& encoded, int frames, FuzzedDataProvider& in) {
    const int joint = transducer.joint_hidden(), outputs = transducer.outputs();
    std::vector<float> projected(static_cast<size_t>(frames) * joint);
    transducer.project_encoder(context, encoded.data(), frames, projected.data());
    const float* first = projected.data();
    const float* last = first + static_cast<size_t>(frames - 1) * joint;
    PredictorState state = transducer.start(context);
    std::vector<float> logits(outputs), both(2 * size_t(outputs));
    transducer.joint(context, {&first, 1}, state, logits.data());

    // Two hypotheses get at once what each gets alone.
    const int token = in.ConsumeIntegralInRange(0, transducer.labels() - 1);
    PredictorState pair = state.gather(std::vector<int>{0, 0});
    transducer.advance(context, {&token, 1}, state);
    transducer.advance(context, std::vector<int>{token, 0}, pair);
    transducer.joint(context, {&last, 1}, state, logits.data());
    transducer.joint(context, std::vector<const float*>{last, first}, pair, both.data());
    if (!std::equal(logits.begin(), logits.end(), both.begin(), same_bits)) std::abort();
}

void run_search(Context& context, const Head& head, const SearchOptions& options,
                const std::vector<float>& encoded, int frames) try {
    const auto search = make_search(context, head, options);
    search->feed(context, encoded.data(), frames);
    const auto copy = search->copy();
    copy->feed(context, encoded.data(), frames);
    search->finish(context);
} catch (const std::invalid_argument&) {  // a strategy of other heads
}

void run_heads(Context& context, const AcousticModel& model, const std::vector<float>& encoded,
               int frames, FuzzedDataProvider& in) {
    if (const auto* ctc = model.heads().of_kind<CtcHead>()) {
        std::vector<float> log_probs(static_cast<size_t>(frames) * ctc->labels());
        ctc->log_probs(context, encoded.data(), frames, log_probs.data());
    }
    if (const auto* transducer = model.heads().of_kind<Transducer>())
        run_transducer(context, *transducer, encoded, frames, in);
    for (const char* name : {"ctc", "rnnt", "tdt"})
        if (const Head* head = model.heads().find(name)) {
            SearchOptions options{.max_symbols = in.ConsumeIntegralInRange(0, 4)};
            options.beam.strategy = static_cast<Strategy>(in.ConsumeIntegralInRange(0, 3));
            options.beam.size = in.ConsumeIntegralInRange(1, 5);
            run_search(context, *head, options, encoded, frames);
        }
}

void run_offline(const AcousticModel& model, FuzzedDataProvider& in) {
    const LogMel& frontend = model.frontend();
    const std::vector<float> recording = samples(in, 4000);
    const int frames = std::min(frontend.frames(recording.size()), 150);
    if (frames == 0) return;
    const size_t length = std::min(
        recording.size(), static_cast<size_t>(frames + 1) * frontend.config().hop_length - 1);
    std::vector<float> features(static_cast<size_t>(frames) * frontend.mel_bands());
    const int n = model.encoder().output_frames(frames);
    std::vector<float> encoded(static_cast<size_t>(n) * model.encoder().d_model());
    const AttentionContext attention{in.ConsumeIntegralInRange(-1, 70),
                                     in.ConsumeIntegralInRange(-1, 20)};
    model.executor().run([&](Context& context) {
        frontend(context, {recording.data(), length}, features.data());
        const FeatureRows rows{features.data(), frames};
        model.encoder()(context, {&rows, 1}, attention, encoded.data());
        if (n > 0) run_heads(context, model, encoded, n, in);
    });
    Planner planner(model.parts(), model.executor().kernels(), model.executor().threads());
    planner.recording(length, attention);
    if (model.encoder().can_stream())
        planner.streams(frames, {70, std::max(0, attention.right)}, 2);
}

void run_stream(const std::shared_ptr<AcousticModel>& model, FuzzedDataProvider& in) {
    AcousticStream stream(model,
                          {in.ConsumeIntegralInRange(0, 70), in.ConsumeIntegralInRange(0, 14)});
    for (int n = in.ConsumeIntegralInRange(0, 4); n > 0; n--) {
        std::vector<float> encoded;
        stream.feed(samples(in, 1500), encoded);
    }
    std::vector<float> encoded;
    stream.finish(encoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    FuzzedDataProvider in(data, size);
    const auto tables = available_tables();
    const char* isa = tables[in.ConsumeIntegral<uint8_t>() % tables.size()]->isa;
    ::setenv("PARROTLET_ISA", isa, 1);
    const int threads = in.ConsumeIntegralInRange(1, 2);
    const Shape shape(in);
    GgufBytes built;
    add_metadata(built, shape, in);
    Tensors tensors(built, in);
    add_tensors(tensors, shape);
    std::vector<uint8_t> file = built.finish();
    spoil(file, in);
    const fuzz::MemoryFile bytes(file);
    try {
        const auto model = load_model(bytes.path(), threads);
        run_offline(*model, in);
        if (model->encoder().can_stream()) run_stream(model, in);
    } catch (const ModelFileError&) {
    } catch (const UnsupportedModelError&) {
    }
    return 0;
}
