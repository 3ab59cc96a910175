#include "models/conformer/stream.h"

#include <algorithm>

namespace parrotlet {

namespace {

/// ConvSubsampling.get_streaming_cache_size: mel frames that every chunk but the first repeats.
int overlap_frames(const EncoderConfig& config) { return config.subsampling.factor + 1; }

/// streaming_cfg.drop_extra_pre_encoded: encoder frames that those repeated frames yield.
int repeated_outputs(const EncoderConfig& config) {
    return 1 + (overlap_frames(config) - 1) / config.subsampling.factor;
}

/// NeMo's limit where the left context has none.
AttentionContext bounded(AttentionContext attention) {
    return {attention.left < 0 ? kUnlimitedLeft : attention.left, attention.right};
}

/// Of the keys and values of a layer.
CacheShape cache_shape(const EncoderConfig& config, AttentionContext attention) {
    return {.heads = config.heads,
            .d_head = config.d_model / config.heads,
            .visible = attention.left,
            .capacity = attention.left + attention.right + 1 + kCacheSlack};
}

const AttentionKernel& cache_kernel(const Context& context, const ConformerEncoder& encoder) {
    return encoder.layer(0).self_attn().kernel(context);
}

/// Of the last inputs of a layer's convolution.
size_t history_floats(const EncoderConfig& config) {
    return static_cast<size_t>(config.conv_left) * config.d_model;
}

}  // namespace

ConformerStream::ConformerStream(const Context& context, const ConformerEncoder& encoder,
                                 AttentionContext attention,
                                 std::shared_ptr<const ProjectedPositions> positions)
    : encoder_(encoder), attention_(attention), positions_(std::move(positions)) {
    const EncoderConfig& config = encoder.config();
    const AttentionKernel& kernel = cache_kernel(context, encoder);
    const CacheShape shape = cache_shape(config, attention);
    histories_.resize(config.layers * history_floats(config));
    if (context.counts()) {
        caches_.assign(config.layers, {kernel, shape, nullptr});
        for (KeyValueCache& cache : caches_) cache.append(attention.left + kCacheSlack);
        return;
    }
    const size_t layer_bytes = shape.bytes(kernel);
    cache_memory_ = Buffer<std::byte>(config.layers * layer_bytes);
    std::fill_n(cache_memory_.data(), cache_memory_.size(), std::byte{});
    for (int i = 0; i < config.layers; i++)
        caches_.emplace_back(kernel, shape, cache_memory_.data() + i * layer_bytes);
}

int ConformerStream::chunk_frames() const {
    // The first chunk yields right + 1 encoder frames from fewer features: it has no overlap.
    const int factor = encoder_.config().subsampling.factor;
    return (overlap_ == 0 ? 1 : factor) + factor * attention_.right;
}

/// Frames of the next chunk that can be encoded, or none.
int ConformerStream::next_chunk() const {
    const EncoderConfig& config = encoder_.config();
    const int there = static_cast<int>(features_.size()) / config.mel_bands - overlap_;
    if (there >= chunk_frames()) return chunk_frames();
    const int least = overlap_ == 0 ? 1 : config.subsampling.factor;
    return ended_ && there >= least ? there : 0;
}

void ConformerStream::add(const FeatureRows& rows) {
    const size_t size = static_cast<size_t>(rows.frames) * encoder_.config().mel_bands;
    features_.insert(features_.end(), rows.features, rows.features + size);
}

void ConformerStream::end() {
    // NeMo's preprocessor yields one frame more than it calls valid, set to zero; its streaming
    // buffer counts that frame.
    add({std::vector<float>(encoder_.config().mel_bands).data(), 1});
    ended_ = true;
}

void ConformerStream::advance(Context& context, std::span<const Output> streams) {
    std::vector<Chunk> chunks;
    do {
        chunks.clear();
        for (const Output& output : streams)
            if (const int frames = output.stream->next_chunk(); frames > 0)
                chunks.push_back({output, frames});
        if (!chunks.empty()) step(context, chunks);
    } while (!chunks.empty());
    for (const Output& output : streams)
        if (output.stream->ended_) output.stream->features_.clear();
}

void ConformerStream::feed(Context& context, const FeatureRows& rows, std::vector<float>& encoded) {
    add(rows);
    const Output output{this, &encoded};
    advance(context, {&output, 1});
}

/// The new frames that a chunk of `frames` frames of features yields.
SubsampledRows ConformerStream::subsampled(int frames) const {
    const int total = overlap_ + frames;
    const int begin = overlap_ == 0 ? 0 : repeated_outputs(encoder_.config());
    const int end = std::min(encoder_.output_frames(total), begin + attention_.right + 1);
    return {.features = features_.data(), .frames = total, .begin = begin, .end = end};
}

/// The keys of a layer that `frames` new frames see.
KeyRanges ConformerStream::visible_keys(int layer, int frames) const {
    const KeyValueCache& cache = caches_[layer];
    return {frames, std::max(0, cache.frames() - cache.visible()), cache.frames() + frames};
}

/// Drops features that no later chunk repeats, of the first `used`.
void ConformerStream::drop_features(int used) {
    // Features before the first chunk count as zero when a chunk is too short to fill the overlap.
    const EncoderConfig& config = encoder_.config();
    const auto mels = static_cast<size_t>(config.mel_bands);
    const int keep = overlap_frames(config);
    if (used < keep) features_.insert(features_.begin(), (keep - used) * mels, 0.0f);
    const int drop = std::max(0, used - keep);
    features_.erase(features_.begin(), features_.begin() + static_cast<ptrdiff_t>(drop * mels));
    overlap_ = keep;
}

void ConformerStream::step(Context& context, std::span<const Chunk> chunks) {
    const ConformerEncoder& encoder = chunks[0].output.stream->encoder_;
    const EncoderConfig& config = encoder.config();
    const size_t d = config.d_model;
    std::vector<SubsampledRows> subsampled;
    std::vector<Sequence> sequences;
    for (const Chunk& chunk : chunks) {
        subsampled.push_back(chunk.output.stream->subsampled(chunk.frames));
        sequences.push_back({.rows = subsampled.back().end - subsampled.back().begin});
    }
    Arena::Scope scope(context.arena);
    auto* x = context.arena.allocate<float>(total_rows(sequences) * d);
    encoder.pre_encode(context, subsampled, x);

    std::vector<KeyRanges> ranges;
    for (int i = 0; i < config.layers; i++) {
        ranges.clear();
        for (size_t s = 0; s < chunks.size(); s++)
            ranges.push_back(chunks[s].output.stream->visible_keys(i, sequences[s].rows));
        for (size_t s = 0; s < chunks.size(); s++) {
            ConformerStream& stream = *chunks[s].output.stream;
            sequences[s].cache = &stream.caches_[i];
            sequences[s].history = {.rows = stream.histories_.data() + i * history_floats(config),
                                    .oldest = stream.oldest_};
            sequences[s].ranges = &ranges[s];
            sequences[s].positions = stream.positions_->layer(i);
        }
        encoder.layer(i)(context, x, sequences);
    }
    for (size_t s = 0; s < chunks.size(); s++) {
        const auto& [stream, encoded] = chunks[s].output;
        const size_t size = sequences[s].rows * d;
        if (context.counts())
            encoded->resize(encoded->size() + size);
        else
            encoded->insert(encoded->end(), x, x + size);
        x += size;
        if (config.conv_left > 0)
            stream->oldest_ = (stream->oldest_ + sequences[s].rows) % config.conv_left;
        stream->drop_features(subsampled[s].frames);
    }
}

std::unique_ptr<EncoderStream> ConformerEncoder::stream(Context& context,
                                                        AttentionContext attention) const {
    attention = bounded(attention);
    return std::make_unique<ConformerStream>(context, *this, attention,
                                             stream_positions_.get(context, *this, attention));
}

StreamBytes ConformerEncoder::stream_bytes(const Context& context,
                                           AttentionContext attention) const {
    attention = bounded(attention);
    const PositionSpan span(attention);
    const size_t layer_bytes = cache_shape(config_, attention).bytes(cache_kernel(context, *this));
    return {.keys_and_values = config_.layers * layer_bytes,
            .histories = sizeof(float) * config_.layers * history_floats(config_),
            .positions = ProjectedPositions::bytes(context, *this, span)};
}

void ConformerEncoder::feed(Context& context, std::span<const StreamFeatures> streams) const {
    std::vector<ConformerStream::Output> outputs;
    for (const auto& [stream, rows, encoded, last] : streams) {
        outputs.push_back({static_cast<ConformerStream*>(stream), encoded});
        outputs.back().stream->add(rows);
        if (last) outputs.back().stream->end();
    }
    ConformerStream::advance(context, outputs);
}

}  // namespace parrotlet
