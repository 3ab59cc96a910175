// NeMo's RelPositionMultiHeadAttention (Transformer-XL, arXiv:1901.02860, section 3.3).
#pragma once

#include "models/config.h"
#include "nn/layers.h"

namespace parrotlet {

/// The keys each query may see, a run [begin, end) per query, and the distances that occur.
class KeyRanges {
  public:
    /// Ranges of `frames` queries over the same frames, as ConformerEncoder._create_masks.
    KeyRanges(ContextStyle style, AttentionContext context, int frames);

    /// Ranges of `queries` queries that all see the keys [begin, end).
    KeyRanges(int queries, int begin, int end) : begin_(queries, begin), end_(queries, end) {}

    const int* begin() const { return begin_.data(); }
    const int* end() const { return end_.data(); }

    /// Largest query - key and key - query, at least 0. Of the first constructor's ranges only.
    int farthest_back() const { return farthest_back_; }
    int farthest_ahead() const { return farthest_ahead_; }

  private:
    std::vector<int> begin_, end_;
    int farthest_back_ = 0, farthest_ahead_ = 0;
};

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

/// Projected encodings of the relative positions first, first - 1, ..., packed per head.
struct PositionPanels {
    const std::byte* data = nullptr;
    int first = 0;
    size_t stride = 0;  ///< bytes from one head to the next
};

/// What attends: q[frames, heads * d_head], rows `stride` apart.
struct HeadQueries {
    const float* q;
    size_t stride;
    int frames;
    int first = 0;                  ///< of the first query, on the axis of the keys
    const float* bias_u = nullptr;  ///< [heads, d_head], with positions
    const float* bias_v = nullptr;  ///< [heads, d_head]
    PositionPanels positions = {};  ///< none for attention without positions
};

/// y[frames, heads * d_head]: the attention of all heads.
void attend_heads(Context& context, const AttentionKernel& kernel, int heads, int d_head,
                  const HeadQueries& queries, const PackedKeyValues& packed,
                  const KeyRanges& ranges, float* y);

/// A tile of queries reaches positions this far beyond the farthest that a query attends to: the
/// other queries of its group, and the alignment of keys and panels.
constexpr int kPositionSlack = 2 * kBlock;

class RelPositionMultiHeadAttention {
  public:
    /// Where weights are quantised and the style is not one that streams, the products of attention
    /// are of bytes too. Streams stay with floats: a block of values takes all its keys at once.
    RelPositionMultiHeadAttention(const Weights& weights, int d_model, int heads,
                                  ContextStyle style);

    /// Bytes of `count` projected positions of one head, or of all.
    size_t head_position_bytes(const Context& context, int count) const {
        return kernel(context).key_bytes(count, d_head_);
    }
    size_t position_bytes(const Context& context, int count) const {
        return heads_ * head_position_bytes(context, count);
    }

    /// Projects encodings[count, d_model] into panels of position_bytes(count).
    void project_positions(Context& context, const float* encodings, int count,
                           std::byte* panels) const;

    /// What the input is packed for: the projections of queries, keys and values.
    const Linear& qkv() const { return qkv_; }

    /// Adds the attention of x[frames, d_model] to residual. With a cache, x is appended to it, and
    /// query i is frame cache->frames() + i of the cache, as counted before; ranges are of its
    /// frames. Without, keys are the frames of x.
    void operator()(Context& context, const PackedRows& x, KeyValueCache* cache,
                    const KeyRanges& ranges, const PositionPanels& positions,
                    float* residual) const;

  private:
    const AttentionKernel& kernel(const Context& context) const {
        return bytes_ ? context.kernels.attention_q8 : context.kernels.attention_f32;
    }

    int d_model_, heads_, d_head_;
    bool bytes_;
    Linear qkv_, linear_pos_, linear_out_;
    Buffer<float> pos_bias_u_, pos_bias_v_;  ///< [heads, d_head]
};

}  // namespace parrotlet
