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

}  // namespace

ConformerStream::ConformerStream(const ConformerEncoder& encoder, AttentionContext attention,
                                 std::shared_ptr<const ProjectedPositions> positions)
    : encoder_(encoder), attention_(attention), positions_(std::move(positions)) {
    const EncoderConfig& config = encoder.config();
    const int d_head = config.d_model / config.heads;
    const int capacity = attention.left + attention.right + 1 + kCacheSlack;
    const size_t layer_floats = KeyValueCache::floats(config.heads, d_head, capacity);
    cache_memory_ = Buffer<float>(config.layers * layer_floats);
    std::fill_n(cache_memory_.data(), cache_memory_.size(), 0.0f);
    for (int i = 0; i < config.layers; i++)
        caches_.emplace_back(config.heads, d_head, capacity,
                             cache_memory_.data() + i * layer_floats);
    histories_.resize(static_cast<size_t>(config.layers) * config.conv_left * config.d_model);
}

int ConformerStream::chunk_frames() const {
    // The first chunk yields right + 1 encoder frames from fewer features: it has no overlap.
    const int factor = encoder_.config().subsampling.factor;
    return (overlap_ == 0 ? 1 : factor) + factor * attention_.right;
}

void ConformerStream::feed(Context& context, const float* features, int frames,
                           std::vector<float>& encoded) {
    const int mels = encoder_.config().mel_bands;
    features_.insert(features_.end(), features, features + static_cast<size_t>(frames) * mels);
    while (static_cast<int>(features_.size()) / mels - overlap_ >= chunk_frames())
        step(context, chunk_frames(), encoded);
}

void ConformerStream::finish(Context& context, std::vector<float>& encoded) {
    const EncoderConfig& config = encoder_.config();
    // NeMo's preprocessor yields one frame more than it calls valid, set to zero; its streaming
    // buffer counts that frame.
    feed(context, std::vector<float>(config.mel_bands).data(), 1, encoded);
    const int rest = static_cast<int>(features_.size()) / config.mel_bands - overlap_;
    if (rest >= (overlap_ == 0 ? 1 : config.subsampling.factor)) step(context, rest, encoded);
    features_.clear();
}

void ConformerStream::step(Context& context, int frames, std::vector<float>& encoded) {
    const EncoderConfig& config = encoder_.config();
    const int total = overlap_ + frames;
    const int skip = overlap_ == 0 ? 0 : repeated_outputs(config);
    const int n = std::min(encoder_.output_frames(total) - skip, attention_.right + 1);
    Arena::Scope scope(context.arena);
    const size_t d = config.d_model;
    auto* x = context.arena.allocate<float>((encoder_.output_frames(total) - skip) * d);
    encoder_.pre_encode(context, features_.data(), total, skip, x);

    for (int i = 0; i < config.layers; i++) {
        KeyValueCache& cache = caches_[i];
        if (cache.frames() + n > cache.capacity()) cache.drop_oldest(attention_.left);
        const KeyRanges ranges(n, std::max(0, cache.frames() - attention_.left),
                               cache.frames() + n);
        encoder_.layer(i)(context, x, n,
                          {.cache = &cache,
                           .conv_history = histories_.data() + i * config.conv_left * d,
                           .ranges = ranges,
                           .positions = positions_->layer(i)});
    }
    encoded.insert(encoded.end(), x, x + n * d);

    // Features before the first chunk count as zero when a chunk is too short to fill the overlap.
    const auto mels = static_cast<size_t>(config.mel_bands);
    const int keep = overlap_frames(config);
    if (total < keep) features_.insert(features_.begin(), (keep - total) * mels, 0.0f);
    const int drop = std::max(0, total - keep);
    features_.erase(features_.begin(), features_.begin() + static_cast<ptrdiff_t>(drop * mels));
    overlap_ = keep;
}

std::unique_ptr<EncoderStream> ConformerEncoder::stream(Context& context,
                                                        AttentionContext attention) const {
    if (attention.left < 0) attention.left = kUnlimitedLeft;
    return std::make_unique<ConformerStream>(*this, attention,
                                             stream_positions_.get(context, *this, attention));
}

}  // namespace parrotlet
