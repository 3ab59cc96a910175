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
      counts_(memory == nullptr),
      memory_(counts_ ? no_memory<float>() : memory) {}

size_t KeyValueCache::floats(int heads, int d_head, int capacity) {
    return heads * (panel_floats(capacity, d_head) + panel_floats(d_head, capacity));
}

void KeyValueCache::write_keys(size_t head, const float* k, size_t stride, int frames) {
    if (counts_) return;
    float* keys = memory_ + head * head_floats_;
    for (int t = frames_; t < frames_ + frames; t++, k += stride) {
        float* column = panel_column(keys, t, d_head_);
        for (int i = 0; i < d_head_; i++) column[panel_offset(i, 0)] = k[i];
    }
}

void KeyValueCache::write_values(size_t head, const float* v, size_t stride, int frames) {
    if (counts_) return;
    float* values = memory_ + head * head_floats_ + key_floats_;
    for (int t = frames_; t < frames_ + frames; t++, v += stride)
        for (int first = 0; first < d_head_; first += kPanel) {
            float* out = panel_column(values, first, capacity_) + panel_offset(t, 0);
            const int present = std::min(kPanel, d_head_ - first);
            std::copy_n(v + first, present, out);
            std::fill(out + present, out + kPanel, 0.0f);
        }
}

void KeyValueCache::drop_oldest(int keep) {
    // By whole panels, so that keys stay where they are within theirs.
    const int drop = std::max(0, frames_ - keep) / kPanel * kPanel;
    if (drop == 0) return;
    const size_t left = frames_ - drop;
    for (int head = 0; head < heads_ && !counts_; head++) {
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
    return {.keys = reinterpret_cast<std::byte*>(memory_),
            .values = reinterpret_cast<std::byte*>(memory_ + key_floats_),
            .stride = head_floats_ * sizeof(float),
            .capacity = capacity_,
            .frames = frames_};
}

PackedKeyValues key_value_room(Arena& arena, const AttentionKernel& kernel, int heads, int d_head,
                               int frames) {
    const size_t key_bytes = kernel.key_bytes(frames, d_head);
    const size_t head_bytes = key_bytes + kernel.value_bytes(frames, d_head);
    auto* memory = arena.allocate<std::byte>(heads * head_bytes);
    return {.keys = memory,
            .values = memory + key_bytes,
            .stride = head_bytes,
            .capacity = frames,
            .frames = frames};
}

std::vector<PackedKeyValues> pack_key_values(Context& context, const AttentionKernel& kernel,
                                             int heads, int d_head, size_t stride,
                                             std::span<const KeyValueRows> sequences) {
    std::vector<PackedKeyValues> packed;
    for (const auto& [k, v, frames, cache, room, first] : sequences)
        packed.push_back(cache != nullptr ? cache->packed()
                         : room != nullptr
                             ? *room
                             : key_value_room(context.arena, kernel, heads, d_head, frames));
    context.pool.parallel_for(2 * heads * sequences.size(), [&](size_t task) {
        const size_t index = task / 2 / heads, head = task / 2 % heads, column = head * d_head;
        const auto& [k, v, frames, cache, room, first] = sequences[index];
        const PackedKeyValues& out = packed[index];
        std::byte* keys = out.keys + head * out.stride + kernel.key_bytes(first, d_head);
        std::byte* values = out.values + head * out.stride + kernel.value_bytes(first, 1);
        if (cache != nullptr && task % 2 == 0)
            cache->write_keys(head, k + column, stride, frames);
        else if (cache != nullptr)
            cache->write_values(head, v + column, stride, frames);
        else if (task % 2 == 0)
            kernel.pack_keys(k + column, stride, frames, d_head, keys);
        else
            kernel.pack_values(v + column, stride, frames, out.capacity, d_head, values);
    });
    for (size_t i = 0; i < sequences.size(); i++) {
        if (sequences[i].cache == nullptr) continue;
        sequences[i].cache->append(sequences[i].frames);
        packed[i] = sequences[i].cache->packed();
    }
    return packed;
}

}  // namespace parrotlet
