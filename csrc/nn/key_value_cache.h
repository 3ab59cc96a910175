// Keys and values as the attention kernels read them: of a whole recording, or of a stream.
#pragma once

#include "nn/context.h"

namespace parrotlet {

/// Keys and values of consecutive frames, packed per head as the attention kernel reads them.
struct PackedKeyValues {
    const std::byte* keys;
    const std::byte* values;
    size_t stride;  ///< bytes from one head to the next, of both
    int capacity;   ///< frames there is room for
    int frames;
};

/// Keys and values of a stream, as floats: it appends frames and drops what no query sees any more.
class KeyValueCache {
  public:
    /// `memory` holds floats(heads, d_head, capacity) and outlives the cache.
    KeyValueCache(int heads, int d_head, int capacity, float* memory);

    static size_t floats(int heads, int d_head, int capacity);

    int frames() const { return frames_; }
    int capacity() const { return capacity_; }
    PackedKeyValues packed() const;

    /// Appends `frames` rows of k and v, each [heads * d_head] and `stride` apart.
    void append(ThreadPool& pool, const float* k, const float* v, size_t stride, int frames);

    /// Drops the oldest frames but at least the last `keep`; frames() tells how many are left.
    void drop_oldest(int keep);

  private:
    int heads_, d_head_, capacity_;
    size_t key_floats_, head_floats_;
    float* memory_;
    int frames_ = 0;
};

/// Keys and values [frames, heads * d_head], rows `stride` apart, packed into the arena.
PackedKeyValues pack_key_values(Context& context, const AttentionKernel& kernel, int heads,
                                int d_head, const float* k, const float* v, size_t stride,
                                int frames);

}  // namespace parrotlet
