#include "models/conformer/config.h"

#include <algorithm>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr uint64_t kFormatVersion = 1;

SubsamplingConfig read_subsampling(const MetadataReader& r) {
    SubsamplingConfig s{
        .depthwise = r.choice("subsampling.type", "dw_striding", "striding"),
        .factor = r.integer("subsampling.factor", 2, 64),
        .channels = r.integer("subsampling.channels", 1, 1 << 14),
        .causal = r.boolean("subsampling.causal"),
    };
    if ((s.factor & (s.factor - 1)) != 0)
        throw ModelFileError(r.file().path() +
                             ": conformer.subsampling.factor is not a power of two");
    return s;
}

EncoderConfig read_encoder(const MetadataReader& r) {
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
        .subsampling = read_subsampling(r),
    };
    const auto context = r.file().get<std::vector<int64_t>>(r.name("conv.context"));
    if (context.size() != 2 || context[0] < 0 || context[1] < 0 ||
        context[0] + context[1] != e.conv_kernel - 1)
        throw ModelFileError(r.file().path() +
                             ": conformer.conv.context does not fit the kernel size");
    e.conv_left = static_cast<int>(context[0]);
    if (e.d_model % e.heads != 0 || e.d_model % 2 != 0)
        throw ModelFileError(r.file().path() + ": conformer.embedding_length " +
                             std::to_string(e.d_model) + " does not divide among " +
                             std::to_string(e.heads) + " heads");
    return e;
}

DecoderConfig read_decoder(const MetadataReader& r) {
    DecoderConfig d{};
    d.vocab_size = r.integer("vocab_size");
    const auto heads = r.file().get<std::vector<std::string>>(r.name("heads"));
    for (const std::string& head : heads) {
        if (head == "ctc")
            d.ctc = true;
        else if (head == "rnnt" || head == "tdt")
            d.transducer = true;
        else
            throw UnsupportedModelError(r.file().path() + ": decoder '" + head +
                                        "' is not supported (ctc, rnnt and tdt are)");
        if (head == "tdt")
            d.n_durations = static_cast<int>(
                r.file().get<std::vector<int64_t>>(r.name("tdt.durations")).size());
    }
    if (heads.empty()) throw ModelFileError(r.file().path() + ": the model has no decoder");
    if (!d.transducer) return d;
    d.predictor_hidden = r.integer("predictor.hidden", 1, 1 << 16);
    d.predictor_layers = r.integer("predictor.layers", 1, 64);
    d.joint_hidden = r.integer("joint.hidden", 1, 1 << 16);
    d.joint_activation = r.text("joint.activation");
    const auto known = {"relu", "tanh", "sigmoid"};
    if (std::find(known.begin(), known.end(), d.joint_activation) == known.end())
        throw UnsupportedModelError(r.file().path() + ": joint activation '" + d.joint_activation +
                                    "' is not supported (relu, tanh and sigmoid are)");
    return d;
}

}  // namespace

ConformerConfig::ConformerConfig(const GgufFile& file)
    : ConformerConfig(MetadataReader(file, kConformer, kFormatVersion)) {}

ConformerConfig::ConformerConfig(const MetadataReader& reader)
    : features(read_features(reader)),
      encoder(read_encoder(reader)),
      decoder(read_decoder(reader)) {}

}  // namespace parrotlet
