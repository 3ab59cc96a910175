#include "nn/key_value_cache.h"

#include <algorithm>

#include "nn/packed_matrix.h"

namespace parrotlet {

size_t CacheShape::bytes(const AttentionKernel& kernel) const {
    return heads * (kernel.key_bytes(capacity, d_head) + kernel.value_bytes(capacity, d_head));
}

KeyValueCache::KeyValueCache(const AttentionKernel& kernel, const CacheShape& shape,
                             std::byte* memory)
    : kernel_(&kernel),
      shape_(shape),
      key_bytes_(kernel.key_bytes(shape.capacity, shape.d_head)),
      head_bytes_(key_bytes_ + kernel.value_bytes(shape.capacity, shape.d_head)),
      counts_(memory == nullptr),
      memory_(counts_ ? no_memory<std::byte>() : memory) {}

void KeyValueCache::write_keys(size_t head, const float* k, size_t stride, int frames) {
    if (!counts_) kernel_->put_keys(k, stride, frames, shape_.d_head, frames_, keys(head));
}

void KeyValueCache::write_values(size_t head, const float* v, size_t stride, int frames) {
    if (!counts_)
        kernel_->put_values(v, stride, frames, shape_.d_head, frames_, shape_.capacity,
                            values(head));
}

void KeyValueCache::drop_oldest(size_t head, int frames) {
    const int drop = surplus(frames);
    if (counts_ || drop == 0) return;
    kernel_->drop_rows(drop, frames_ + frames - drop, shape_.d_head, shape_.capacity, keys(head),
                       values(head));
}

PackedKeyValues KeyValueCache::packed() const {
    return {.keys = keys(0),
            .values = values(0),
            .stride = head_bytes_,
            .capacity = shape_.capacity,
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
    for (const auto& [k, v, frames, room, first] : sequences)
        packed.push_back(
            room != nullptr ? *room : key_value_room(context.arena, kernel, heads, d_head, frames));
    context.pool.parallel_for(2 * heads * sequences.size(), [&](size_t task) {
        const size_t index = task / 2 / heads, head = task / 2 % heads, column = head * d_head;
        const auto& [k, v, frames, room, first] = sequences[index];
        const PackedKeyValues& out = packed[index];
        if (task % 2 == 0)
            kernel.put_keys(k + column, stride, frames, d_head, first, out.keys_of(head));
        else
            kernel.put_values(v + column, stride, frames, d_head, first, out.capacity,
                              out.values_of(head));
    });
    return packed;
}

}  // namespace parrotlet
