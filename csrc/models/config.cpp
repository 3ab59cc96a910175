#include "models/config.h"

#include <algorithm>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr uint64_t kFormatVersion = 1;

/// Typed reads of "conformer.*" keys with bounds, so that no later product can overflow.
class Reader {
  public:
    explicit Reader(const GgufFile& file) : file_(file) {}

    int integer(const std::string& key, int64_t low = 1, int64_t high = 1 << 20) const {
        const auto value = file_.get<int64_t>(name(key));
        if (value < low || value > high)
            throw ModelFileError(file_.path() + ": " + name(key) + " is " + std::to_string(value) +
                                 ", outside " + std::to_string(low) + " to " +
                                 std::to_string(high) + "; convert the checkpoint again");
        return static_cast<int>(value);
    }
    float real(const std::string& key) const {
        return static_cast<float>(file_.get<double>(name(key)));
    }
    bool boolean(const std::string& key) const { return file_.get<bool>(name(key)); }
    std::string text(const std::string& key) const { return file_.get<std::string>(name(key)); }

    /// Whether the key is `yes` rather than `no`; any other value is unsupported.
    bool choice(const std::string& key, const char* yes, const char* no) const {
        const std::string value = text(key);
        if (value != yes && value != no)
            throw UnsupportedModelError(file_.path() + ": " + name(key) + " '" + value +
                                        "' is not supported (" + yes + " and " + no +
                                        " are); update parrotlet");
        return value == yes;
    }

    static std::string name(const std::string& key) { return "conformer." + key; }

  private:
    const GgufFile& file_;
};

FeatureConfig read_features(const Reader& r, const GgufFile& file) {
    FeatureConfig f{
        .sample_rate = r.integer("features.sample_rate"),
        .n_fft = r.integer("features.n_fft", 2, 8192),
        .window_length = r.integer("features.window_length", 1, 8192),
        .hop_length = r.integer("features.hop_length", 1, 8192),
        .mel_bands = r.integer("features.mel_bands", 1, 4096),
        .preemphasis = r.real("features.preemphasis"),
        .log_zero_guard = r.real("features.log_zero_guard"),
        .mag_power = r.real("features.mag_power"),
        .normalize_per_feature = r.choice("features.normalize", "per_feature", "none"),
    };
    if (f.window_length > f.n_fft)
        throw ModelFileError(file.path() + ": the analysis window is longer than the FFT");
    return f;
}

SubsamplingConfig read_subsampling(const Reader& r, const GgufFile& file) {
    SubsamplingConfig s{
        .depthwise = r.choice("subsampling.type", "dw_striding", "striding"),
        .factor = r.integer("subsampling.factor", 2, 64),
        .channels = r.integer("subsampling.channels", 1, 1 << 14),
        .causal = r.boolean("subsampling.causal"),
    };
    if ((s.factor & (s.factor - 1)) != 0)
        throw ModelFileError(file.path() + ": conformer.subsampling.factor is not a power of two");
    return s;
}

EncoderConfig read_encoder(const Reader& r, const GgufFile& file) {
    EncoderConfig e{
        .layers = r.integer("block_count", 1, 1024),
        .d_model = r.integer("embedding_length", 1, 1 << 16),
        .d_ff = r.integer("feed_forward_length"),
        .heads = r.integer("attention.head_count", 1, 1024),
        .mel_bands = r.integer("features.mel_bands", 1, 4096),
        .xscaling = r.boolean("xscaling"),
        .style = r.choice("attention.style", "chunked_limited", "regular")
                     ? ContextStyle::chunked_limited
                     : ContextStyle::regular,
        .conv_kernel = r.integer("conv.kernel_size", 1, 1 << 12),
        .conv_left = 0,
        .conv_layer_norm = r.choice("conv.norm", "layer_norm", "folded"),
        .subsampling = read_subsampling(r, file),
    };
    const auto context = file.get<std::vector<int64_t>>(Reader::name("conv.context"));
    if (context.size() != 2 || context[0] < 0 || context[1] < 0 ||
        context[0] + context[1] != e.conv_kernel - 1)
        throw ModelFileError(file.path() + ": conformer.conv.context does not fit the kernel size");
    e.conv_left = static_cast<int>(context[0]);
    if (e.d_model % e.heads != 0 || e.d_model % 2 != 0)
        throw ModelFileError(file.path() + ": conformer.embedding_length " +
                             std::to_string(e.d_model) + " does not divide among " +
                             std::to_string(e.heads) + " heads");
    return e;
}

DecoderConfig read_decoder(const Reader& r, const GgufFile& file) {
    DecoderConfig d{};
    d.vocab_size = r.integer("vocab_size");
    const auto heads = file.get<std::vector<std::string>>(Reader::name("heads"));
    for (const std::string& head : heads) {
        if (head == "ctc")
            d.ctc = true;
        else if (head == "rnnt" || head == "tdt")
            d.transducer = true;
        else
            throw UnsupportedModelError(file.path() + ": decoder '" + head +
                                        "' is not supported (ctc, rnnt and tdt are)");
        if (head == "tdt")
            d.n_durations = static_cast<int>(
                file.get<std::vector<int64_t>>(Reader::name("tdt.durations")).size());
    }
    if (heads.empty()) throw ModelFileError(file.path() + ": the model has no decoder");
    if (!d.transducer) return d;
    d.predictor_hidden = r.integer("predictor.hidden", 1, 1 << 16);
    d.predictor_layers = r.integer("predictor.layers", 1, 64);
    d.joint_hidden = r.integer("joint.hidden", 1, 1 << 16);
    d.joint_activation = r.text("joint.activation");
    const auto known = {"relu", "tanh", "sigmoid"};
    if (std::find(known.begin(), known.end(), d.joint_activation) == known.end())
        throw UnsupportedModelError(file.path() + ": joint activation '" + d.joint_activation +
                                    "' is not supported (relu, tanh and sigmoid are)");
    return d;
}

/// Refuses other architectures and newer formats before any other key is read.
const GgufFile& checked(const GgufFile& file) {
    const auto architecture = file.get<std::string>("general.architecture");
    if (architecture != "conformer")
        throw UnsupportedModelError(file.path() + ": architecture '" + architecture +
                                    "' is not supported (conformer is); models are made by "
                                    "'parrotlet convert'");
    const auto version = file.get<uint64_t>("conformer.format_version");
    if (version > kFormatVersion)
        throw UnsupportedModelError(file.path() + ": the file has format version " +
                                    std::to_string(version) + ", this parrotlet reads up to " +
                                    std::to_string(kFormatVersion) + "; update parrotlet");
    return file;
}

}  // namespace

ConformerConfig::ConformerConfig(const GgufFile& file)
    : features(read_features(Reader(checked(file)), file)),
      encoder(read_encoder(Reader(file), file)),
      decoder(read_decoder(Reader(file), file)) {}

}  // namespace parrotlet
