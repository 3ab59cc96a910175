// Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762), by relative position or without.
#pragma once

#include <span>

#include "nn/key_ranges.h"
#include "nn/key_value_cache.h"
#include "nn/layers.h"

namespace parrotlet {

/// Projected encodings of the relative positions first, first - 1, ..., packed per head.
struct PositionPanels {
    const std::byte* data = nullptr;
    int first = 0;
    size_t stride = 0;  ///< bytes from one head to the next
};

/// What all sequences that attend together have in common.
struct AttentionHeads {
    const AttentionKernel& kernel;
    int heads, d_head;
    const float* bias_u = nullptr;  ///< [heads, d_head], with positions
    const float* bias_v = nullptr;  ///< [heads, d_head]
};

/// What attends in one sequence: q[frames, heads * d_head] to keys and values of its own.
struct HeadQueries {
    const float* q;
    int frames;
    int first = 0;  ///< of the first query, on the axis of the keys
    PackedKeyValues packed;
    /// Of a stream: what `packed` are of, and the new rows k and v [frames, heads * d_head], as far
    /// apart as those of q, which are written there before anything attends to them.
    KeyValueCache* cache = nullptr;
    const float* k = nullptr;
    const float* v = nullptr;
    const int* key_begin;             ///< [frames], as KeyRanges has them
    const int* key_end;               ///< [frames]
    PositionPanels positions = {};    ///< none for attention without positions
    const float* global_k = nullptr;  ///< [heads * d_head] of a global key, if there is one
    const float* global_v = nullptr;
    float* y;  ///< [frames, heads * d_head]: the attention of all heads
};

/// Rows of q are `stride` apart. Caches take the new rows, but for KeyValueCache::append().
void attend_heads(Context& context, const AttentionHeads& heads, size_t stride,
                  std::span<const HeadQueries> sequences);

/// A tile of queries reaches positions this far beyond the farthest that a query attends to: the
/// other queries of its group, and the alignment of keys and panels.
constexpr int kPositionSlack = 2 * kBlock;

/// Multi-head scaled dot-product attention over the whole recording, the residual and the LayerNorm
/// after it: x = layer_norm(x + w_o(softmax(q k^T / sqrt(d)) v)). Positions do not count.
class SelfAttention {
  public:
    SelfAttention(const Weights& weights, int d_model, int heads);

    size_t bytes() const { return w_qkv_.bytes() + w_o_.bytes() + layer_norm_.bytes(); }

    /// x[frames, d_model], in place.
    void operator()(Context& context, float* x, int frames) const;

  private:
    int d_model_, heads_, d_head_;
    Linear w_qkv_, w_o_;
    LayerNorm layer_norm_;
};

}  // namespace parrotlet
