#include "models/attention.h"

#include <algorithm>

namespace parrotlet {

KeyRanges::KeyRanges(ContextStyle style, AttentionContext context, int frames)
    : begin_(frames), end_(frames) {
    const bool chunked = style == ContextStyle::chunked_limited && context.right >= 0;
    const int chunk = context.right + 1;
    for (int i = 0; i < frames; i++) {
        int begin = context.left >= 0 ? i - context.left : 0;
        int end = context.right >= 0 ? i + context.right + 1 : frames;
        if (chunked) {
            const int own = i / chunk;
            begin = context.left >= 0 ? (own - context.left / chunk) * chunk : 0;
            end = (own + 1) * chunk;
        }
        begin_[i] = std::max(begin, 0);
        end_[i] = std::min(end, frames);
        farthest_back_ = std::max(farthest_back_, i - begin_[i]);
        farthest_ahead_ = std::max(farthest_ahead_, end_[i] - 1 - i);
    }
}

KeyValueCache::KeyValueCache(int heads, int d_head, int capacity, float* memory)
    : heads_(heads),
      d_head_(d_head),
      capacity_(capacity),
      key_floats_(panel_floats(capacity, d_head)),
      head_floats_(key_floats_ + panel_floats(d_head, capacity)),
      memory_(memory) {}

size_t KeyValueCache::floats(int heads, int d_head, int capacity) {
    return heads * (panel_floats(capacity, d_head) + panel_floats(d_head, capacity));
}

void KeyValueCache::append(ThreadPool& pool, const float* k, const float* v, size_t stride,
                           int frames) {
    pool.parallel_for(heads_, [&](size_t head) {
        float* keys = memory_ + head * head_floats_;
        float* values = keys + key_floats_;
        const float* k_row = k + head * d_head_;
        const float* v_row = v + head * d_head_;
        for (int t = frames_; t < frames_ + frames; t++, k_row += stride, v_row += stride) {
            float* column = keys + static_cast<size_t>(t / kPanel) * d_head_ * kPanel + t % kPanel;
            for (int i = 0; i < d_head_; i++) column[i * kPanel] = k_row[i];
            for (int first = 0; first < d_head_; first += kPanel) {
                float* out = values + static_cast<size_t>(first) * capacity_ + t * kPanel;
                const int present = std::min(kPanel, d_head_ - first);
                std::copy_n(v_row + first, present, out);
                std::fill(out + present, out + kPanel, 0.0f);
            }
        }
    });
    frames_ += frames;
}

void KeyValueCache::drop_oldest(int keep) {
    // By whole panels, so that keys stay where they are within theirs.
    const int drop = std::max(0, frames_ - keep) / kPanel * kPanel;
    if (drop == 0) return;
    const size_t left = frames_ - drop;
    for (int head = 0; head < heads_; head++) {
        float* keys = memory_ + head * head_floats_;
        const size_t depth = static_cast<size_t>(d_head_);
        std::copy_n(keys + drop * depth, (left + kPanel - 1) / kPanel * kPanel * depth, keys);
        for (int first = 0; first < d_head_; first += kPanel) {
            float* values = keys + key_floats_ + static_cast<size_t>(first) * capacity_;
            std::copy_n(values + static_cast<size_t>(drop) * kPanel, left * kPanel, values);
        }
    }
    frames_ -= drop;
}

PackedKeyValues KeyValueCache::packed() const {
    return {.keys = reinterpret_cast<const std::byte*>(memory_),
            .values = reinterpret_cast<const std::byte*>(memory_ + key_floats_),
            .stride = head_floats_ * sizeof(float),
            .capacity = capacity_,
            .frames = frames_};
}

PackedKeyValues pack_key_values(Context& context, const AttentionKernel& kernel, int heads,
                                int d_head, const float* k, const float* v, size_t stride,
                                int frames) {
    const size_t key_bytes = kernel.key_bytes(frames, d_head);
    const size_t head_bytes = key_bytes + kernel.value_bytes(frames, d_head);
    auto* memory = context.arena.allocate<std::byte>(heads * head_bytes);
    context.pool.parallel_for(2 * heads, [&](size_t task) {
        const size_t head = task / 2, column = head * d_head;
        std::byte* out = memory + head * head_bytes;
        if (task % 2 == 0)
            kernel.pack_keys(k + column, stride, frames, d_head, out);
        else
            kernel.pack_values(v + column, stride, frames, d_head, out + key_bytes);
    });
    return {.keys = memory,
            .values = memory + key_bytes,
            .stride = head_bytes,
            .capacity = frames,
            .frames = frames};
}

void attend_heads(Context& context, const AttentionKernel& kernel, int heads, int d_head,
                  const HeadQueries& queries, const PackedKeyValues& packed,
                  const KeyRanges& ranges, float* y) {
    const size_t d = static_cast<size_t>(heads) * d_head;
    const PositionPanels& positions = queries.positions;
    const bool relative = positions.data != nullptr;
    const size_t tiles = (queries.frames + kQueryTile - 1) / kQueryTile;
    context.pool.parallel_for(heads * tiles, [&](size_t task) {
        const size_t head = task / tiles, column = head * d_head;
        const int first = static_cast<int>(task % tiles) * kQueryTile;
        Arena& scratch = thread_arena();
        Arena::Scope tile_scope(scratch);
        kernel.attend({
            .q = queries.q + first * queries.stride + column,
            .q_stride = queries.stride,
            .bias_u = relative ? queries.bias_u + column : nullptr,
            .bias_v = relative ? queries.bias_v + column : nullptr,
            .k = packed.keys + head * packed.stride,
            .v = packed.values + head * packed.stride,
            .p = relative ? positions.data + head * positions.stride : nullptr,
            .y = y + first * d + column,
            .y_stride = d,
            .d = d_head,
            .keys = packed.capacity,
            .queries = std::min(kQueryTile, queries.frames - first),
            .query_index = queries.first + first,
            .p_first = positions.first,
            .key_begin = ranges.begin() + first,
            .key_end = ranges.end() + first,
            .scratch = scratch.allocate<std::byte>(kernel.scratch_bytes(d_head, packed.frames)),
        });
    });
}

RelPositionMultiHeadAttention::RelPositionMultiHeadAttention(const Weights& weights, int d_model,
                                                             int heads, ContextStyle style)
    : d_model_(d_model),
      heads_(heads),
      d_head_(d_model / heads),
      qkv_(weights, std::initializer_list<std::string>{"linear_q", "linear_k", "linear_v"}, d_model,
           d_model),
      linear_pos_(weights, "linear_pos", d_model, d_model),
      linear_out_(weights, "linear_out", d_model, d_model),
      pos_bias_u_(weights.values("pos_bias_u", {size_t(heads), size_t(d_head_)})),
      pos_bias_v_(weights.values("pos_bias_v", {size_t(heads), size_t(d_head_)})) {
    bytes_ = qkv_.quantised() && style == ContextStyle::regular;
}

void RelPositionMultiHeadAttention::project_positions(Context& context, const float* encodings,
                                                      int count, std::byte* panels) const {
    const StageTimer timer(context.times, Stage::attention);
    Arena::Scope scope(context.arena);
    auto* projected = context.arena.allocate<float>(static_cast<size_t>(count) * d_model_);
    linear_pos_(context, encodings, count, projected);
    const size_t head_bytes = head_position_bytes(context, count);
    context.pool.parallel_for(heads_, [&](size_t head) {
        kernel(context).pack_keys(projected + head * d_head_, d_model_, count, d_head_,
                                  panels + head * head_bytes);
    });
}

void RelPositionMultiHeadAttention::operator()(Context& context, const PackedRows& x,
                                               KeyValueCache* cache, const KeyRanges& ranges,
                                               const PositionPanels& positions,
                                               float* residual) const {
    Arena::Scope scope(context.arena);
    const int frames = x.m;
    const size_t d = d_model_, n = frames;
    auto* qkv = context.arena.allocate<float>(n * 3 * d);
    qkv_(context, x, qkv);
    const int first_query = cache != nullptr ? cache->frames() : 0;
    PackedKeyValues packed;
    if (cache != nullptr) {
        cache->append(context.pool, qkv + d, qkv + 2 * d, 3 * d, frames);
        packed = cache->packed();
    } else {
        packed = pack_key_values(context, kernel(context), heads_, d_head_, qkv + d, qkv + 2 * d,
                                 3 * d, frames);
    }

    auto* attended = context.arena.allocate<float>(n * d);
    attend_heads(context, kernel(context), heads_, d_head_,
                 {.q = qkv,
                  .stride = 3 * d,
                  .frames = frames,
                  .first = first_query,
                  .bias_u = pos_bias_u_.data(),
                  .bias_v = pos_bias_v_.data(),
                  .positions = positions},
                 packed, ranges, attended);
    linear_out_(context, attended, frames, residual, {.residual = residual});
}

}  // namespace parrotlet
