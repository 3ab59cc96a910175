#include "nn/key_value_cache.h"

#include <algorithm>

#include "nn/packed_matrix.h"

namespace parrotlet {

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
            float* column = panel_column(keys, t, d_head_);
            for (int i = 0; i < d_head_; i++) column[panel_offset(i, 0)] = k_row[i];
            for (int first = 0; first < d_head_; first += kPanel) {
                float* out = panel_column(values, first, capacity_) + panel_offset(t, 0);
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
        std::copy_n(panel_column(keys, drop, depth), panels_of(left) * kPanel * depth, keys);
        for (int first = 0; first < d_head_; first += kPanel) {
            float* values = panel_column(keys + key_floats_, first, capacity_);
            std::copy_n(values + panel_offset(drop, 0), panel_offset(left, 0), values);
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

}  // namespace parrotlet
