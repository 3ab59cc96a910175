#include "models/conformer/subsampling.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace parrotlet {

ConvSubsampling::ConvSubsampling(const Weights& weights, const SubsamplingConfig& config, int width,
                                 int d_model)
    : config_(config),
      width_(width),
      d_model_(d_model),
      // CausalConv2D pads kernel - 1 before and stride - 1 after, in time and in frequency.
      padding_left_(config.causal ? 2 : 1),
      padding_right_(1) {
    const Weights conv = weights / "conv";
    const auto channels = static_cast<size_t>(config.channels);
    const int n_stages = std::countr_zero(static_cast<unsigned>(config.factor));
    int bins = width;
    int index = 0;  // in NeMo's Sequential, where activations take a place too
    for (int i = 0; i < n_stages; i++) {
        Stage stage{.in_bins = bins,
                    .out_bins = stage_output(bins),
                    .weight = {},
                    .bias = {},
                    .pointwise = {},
                    .dense = {}};
        bins = stage.out_bins;
        const std::string name = std::to_string(index);
        if (i == 0 || config.depthwise)
            stage.weight = transposed(conv.values(name + ".weight", {channels, 9}), channels, 9);
        stage.bias = conv.values(name + ".bias", {channels});
        if (i > 0) load_later_stage(stage, conv, index);
        index += i > 0 && config.depthwise ? 3 : 2;
        stages_.push_back(std::move(stage));
    }
    out_ = Linear(weights, "out", config.channels * bins, d_model);
}

void ConvSubsampling::load_later_stage(Stage& stage, const Weights& conv, int index) {
    const auto channels = static_cast<size_t>(config_.channels);
    if (config_.depthwise) {
        stage.pointwise =
            Linear(conv, std::to_string(index + 1), config_.channels, config_.channels);
        return;
    }
    // The file has [out, in, tap]; patches are gathered channels last, so [out, tap, in].
    const Buffer<float> file =
        conv.values(std::to_string(index) + ".weight", {channels, channels * 9});
    Buffer<float> taps_first(file.size());
    for (size_t o = 0; o < channels; o++)
        for (size_t i = 0; i < channels; i++)
            for (size_t tap = 0; tap < 9; tap++)
                taps_first[(o * 9 + tap) * channels + i] = file[(o * channels + i) * 9 + tap];
    stage.dense = PackedMatrix(taps_first.data(), config_.channels, 9 * config_.channels);
}

size_t ConvSubsampling::bytes() const {
    size_t total = out_.bytes();
    for (const Stage& stage : stages_)
        total += stage.weight.bytes() + stage.bias.bytes() + stage.pointwise.bytes() +
                 stage.dense.bytes();
    return total;
}

int ConvSubsampling::output_frames(int frames) const {
    for (size_t i = 0; i < stages_.size(); i++) frames = stage_output(frames);
    return frames;
}

/// patches[out_bins, 9 taps, channels]: the inputs of output frame t.
void ConvSubsampling::gather_patches(const Stage& stage, const float* x, Frames in, int t,
                                     float* patches) const {
    const auto channels = static_cast<size_t>(config_.channels);
    for (int f = 0; f < stage.out_bins; f++)
        for (int tap = 0; tap < 9; tap++, patches += channels) {
            const int frame = 2 * t + tap / 3 - padding_left_;
            const int bin = 2 * f + tap % 3 - padding_left_;
            const bool inside =
                frame >= in.begin && frame < in.end && bin >= 0 && bin < stage.in_bins;
            if (inside)
                std::copy_n(
                    x + (static_cast<size_t>(frame - in.begin) * stage.in_bins + bin) * channels,
                    channels, patches);
            else
                std::fill_n(patches, channels, 0.0f);
        }
}

void ConvSubsampling::run_dense(const Context& context, Arena& arena, const Stage& stage,
                                const float* x, Frames in, Frames out, float* y) const {
    const auto channels = static_cast<size_t>(config_.channels);
    const size_t columns = 9 * channels;
    auto* patches = arena.allocate<float>(static_cast<size_t>(stage.out_bins) * columns);
    for (int t = out.begin; t < out.end; t++) {
        if (!context.counts()) gather_patches(stage, x, in, t, patches);
        const size_t frame_floats = stage.out_bins * channels;
        stage.dense.multiply_serial(context.kernels, arena, patches, columns, stage.out_bins,
                                    y + (t - out.begin) * frame_floats, channels,
                                    {.bias = stage.bias.data(), .activation = Activation::relu});
    }
}

void ConvSubsampling::run_stage(const Context& context, Arena& arena, const Stage& stage,
                                bool first, const float* x, Frames in, Frames out, float* y) const {
    Conv2dArgs args{.x = x,
                    .w = stage.weight.data(),
                    .bias = stage.bias.data(),
                    .y = y,
                    .x_frames = in.count(),
                    .frames = out.count(),
                    .offset = in.begin + padding_left_ - 2 * out.begin,
                    .in_bins = stage.in_bins,
                    .out_bins = stage.out_bins,
                    .left = padding_left_,
                    .channels = config_.channels};
    if (first) {
        context.kernels.conv2d_first(args);
        return;
    }
    Arena::Scope scope(arena);
    if (!config_.depthwise) {
        run_dense(context, arena, stage, x, in, out, y);
        return;
    }
    const int pixels = out.count() * stage.out_bins;
    args.y = arena.allocate<float>(static_cast<size_t>(pixels) * config_.channels);
    context.kernels.depthwise_conv2d(args);
    stage.pointwise.run_serial(context.kernels, arena, args.y, pixels, y,
                               {.activation = Activation::relu});
}

void ConvSubsampling::run_chunk(const Context& context, const float* features, int frames,
                                Frames chunk, float* flat) const {
    // Which frames each stage must compute for the chunk, last stage first.
    std::vector<int> lengths{frames};
    for (size_t i = 0; i < stages_.size(); i++) lengths.push_back(stage_output(lengths.back()));
    std::vector<Frames> needed(stages_.size() + 1);
    needed.back() = chunk;
    for (size_t i = stages_.size(); i-- > 0;)
        needed[i] = {std::max(0, 2 * needed[i + 1].begin - padding_left_),
                     std::min(lengths[i], 2 * (needed[i + 1].end - 1) - padding_left_ + 3)};

    Arena& arena = context.task_arena();
    Arena::Scope scope(arena);
    const auto channels = static_cast<size_t>(config_.channels);
    const float* x = features + static_cast<size_t>(needed[0].begin) * width_;
    for (size_t i = 0; i < stages_.size(); i++) {
        const Frames out = needed[i + 1];
        auto* y = arena.allocate<float>(static_cast<size_t>(out.count()) * stages_[i].out_bins *
                                        channels);
        run_stage(context, arena, stages_[i], i == 0, x, needed[i], out, y);
        x = y;
    }
    if (context.counts()) return;
    // NeMo flattens [channels, bins]; here frames are [bins, channels].
    const auto bins = static_cast<size_t>(stages_.back().out_bins);
    for (int t = 0; t < chunk.count(); t++)
        for (size_t f = 0; f < bins; f++)
            for (size_t c = 0; c < channels; c++)
                flat[(t * channels + c) * bins + f] = x[(t * bins + f) * channels + c];
}

void ConvSubsampling::operator()(Context& context, std::span<const SubsampledRows> sequences,
                                 float* y) const {
    /// What a task computes of a sequence, and where it goes among all rows.
    struct Chunk {
        const SubsampledRows* sequence;
        Frames frames;
        int row;
    };
    std::vector<Chunk> chunks;
    int total = 0;
    for (const SubsampledRows& sequence : sequences)
        for (int begin = sequence.begin; begin < sequence.end; begin += kSubsamplingChunk) {
            const Frames frames{begin, std::min(begin + kSubsamplingChunk, sequence.end)};
            chunks.push_back({&sequence, frames, total});
            total += frames.count();
        }

    constexpr size_t kBlockChunks = kSubsamplingBlock / kSubsamplingChunk;
    const auto width = static_cast<size_t>(out_.in());
    Arena::Scope scope(context.arena);
    auto* flat = context.arena.allocate<float>(std::min(total, kSubsamplingBlock) * width);
    for (size_t begin = 0; begin < chunks.size(); begin += kBlockChunks) {
        const size_t end = std::min(begin + kBlockChunks, chunks.size());
        const int first = chunks[begin].row;
        context.pool.parallel_for(end - begin, [&](size_t i) {
            const auto& [sequence, frames, row] = chunks[begin + i];
            run_chunk(context, sequence->features, sequence->frames, frames,
                      flat + (row - first) * width);
        });
        const int rows = (end < chunks.size() ? chunks[end].row : total) - first;
        out_(context, flat, rows, y + static_cast<size_t>(first) * d_model_);
    }
}

}  // namespace parrotlet
