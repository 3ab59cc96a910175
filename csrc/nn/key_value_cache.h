// Keys and values as the attention kernels read them: of a whole recording, or of a stream.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "nn/context.h"

namespace parrotlet {

/// Keys and values of consecutive frames, packed per head as the attention kernel reads them.
struct PackedKeyValues {
    std::byte* keys;
    std::byte* values;
    size_t stride;  ///< bytes from one head to the next, of both
    int capacity;   ///< frames there is room for
    int frames;

    std::byte* keys_of(size_t head) const { return keys + head * stride; }
    std::byte* values_of(size_t head) const { return values + head * stride; }
};

/// The shape of a stream's keys and values in one layer.
struct CacheShape {
    int heads, d_head;
    int visible;   ///< the last frames of those that are there, which later queries see
    int capacity;  ///< frames there is room for

    /// What a cache of this shape takes, as panels of a kernel.
    size_t bytes(const AttentionKernel& kernel) const;
};

/// Keys and values of a stream: it appends frames and drops what no query sees any more, by whole
/// panels, so that keys stay where they are within theirs. There are never kPanel frames more than
/// are visible.
class KeyValueCache {
  public:
    /// `kernel` outlives the cache, as does `memory`: bytes(kernel) of it. Without, the cache
    /// counts frames and holds nothing.
    KeyValueCache(const AttentionKernel& kernel, const CacheShape& shape, std::byte* memory);

    int frames() const { return frames_; }
    int visible() const { return shape_.visible; }
    PackedKeyValues packed() const;

    /// Writes `frames` rows of a head's keys or values, each [d_head] and `stride` apart, after
    /// the last frame.
    void write_keys(size_t head, const float* k, size_t stride, int frames);
    void write_values(size_t head, const float* v, size_t stride, int frames);
    /// Drops the oldest frames of a head, where so many more make them too many: once they have
    /// been written and attended to, by the thread that did, which has all in its cache.
    void drop_oldest(size_t head, int frames);
    /// Counts frames that every head has written, and those that it has dropped.
    void append(int frames) { frames_ += frames - surplus(frames); }

  private:
    int surplus(int frames) const {
        return std::max(0, frames_ + frames - shape_.visible) / kPanel * kPanel;
    }
    std::byte* keys(size_t head) const { return memory_ + head * head_bytes_; }
    std::byte* values(size_t head) const { return keys(head) + key_bytes_; }

    const AttentionKernel* kernel_;
    CacheShape shape_;
    size_t key_bytes_, head_bytes_;
    bool counts_;
    std::byte* memory_;
    int frames_ = 0;
};

/// Room in the arena for the packed keys and values of `frames` frames.
PackedKeyValues key_value_room(Arena& arena, const AttentionKernel& kernel, int heads, int d_head,
                               int frames);

/// Keys and values of one sequence, [frames, heads * d_head] each.
struct KeyValueRows {
    const float* k;
    const float* v;
    int frames;
    const PackedKeyValues* room = nullptr;  ///< where they go, if there is room
    int first = 0;                          ///< frame of the room
};

/// Keys and values of each sequence, rows `stride` apart, packed into its room, or into the arena.
std::vector<PackedKeyValues> pack_key_values(Context& context, const AttentionKernel& kernel,
                                             int heads, int d_head, size_t stride,
                                             std::span<const KeyValueRows> sequences);

}  // namespace parrotlet
