#include "models/conformer/config.h"

#include "errors.h"

namespace parrotlet {

namespace {

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

constexpr const char* kGlobalToken = "global_token";

ContextStyle read_style(const MetadataReader& r) {
    // A global token goes with windows around each frame.
    constexpr ContextStyle kStyles[] = {ContextStyle::regular, ContextStyle::regular,
                                        ContextStyle::chunked_limited,
                                        ContextStyle::chunked_limited_with_rc};
    return kStyles[r.choice("attention.style", {"regular", kGlobalToken, "chunked_limited",
                                                "chunked_limited_with_rc"})];
}

std::optional<ReductionConfig> read_reduction(const MetadataReader& r, int layers) {
    if (r.file().get<std::string>(r.name("reduction.type"), "").empty()) return std::nullopt;
    ReductionConfig reduction{
        .pooling = r.choice("reduction.type", "pooling", "striding"),
        .factor = r.integer("reduction.factor", 2, 64),
        .position = r.integer("reduction.position", 0, layers - 1),
    };
    if (!reduction.pooling && (reduction.factor & (reduction.factor - 1)) != 0)
        throw ModelFileError(r.file().path() +
                             ": conformer.reduction.factor is not a power of two");
    return reduction;
}

}  // namespace

EncoderConfig read_conformer_encoder(const MetadataReader& r, const FeatureConfig& features) {
    EncoderConfig e{
        .layers = r.integer("block_count", 1, 1024),
        .d_model = r.integer("embedding_length", 1, 1 << 16),
        .d_ff = r.integer("feed_forward_length"),
        .heads = r.integer("attention.head_count", 1, 1024),
        .mel_bands = features.mel_bands,
        .xscaling = r.boolean("xscaling"),
        .style = read_style(r),
        .global_token = r.text("attention.style") == kGlobalToken,
        .conv_kernel = r.integer("conv.kernel_size", 1, 1 << 12),
        .conv_left = 0,
        .conv_layer_norm = r.choice("conv.norm", "layer_norm", "folded"),
        .subsampling = read_subsampling(r),
        .reduction = std::nullopt,
        .can_stream = false,
    };
    e.reduction = read_reduction(r, e.layers);
    e.can_stream =
        e.style == ContextStyle::chunked_limited && !features.normalize_per_feature && !e.reduction;
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

}  // namespace parrotlet
