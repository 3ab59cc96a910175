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

/// Keys and values of consecutive frames, packed per head as the attention kernel reads them. A
/// stream appends to it and drops what no query sees any more.
class KeyValueCache {
  public:
    /// `memory` holds floats(heads, d_head, capacity) and outlives the cache.
    KeyValueCache(int heads, int d_head, int capacity, float* memory);

    static size_t floats(int heads, int d_head, int capacity);

    int frames() const { return frames_; }
    int capacity() const { return capacity_; }
    const float* keys(int head) const { return memory_ + head * head_floats_; }
    const float* values(int head) const { return keys(head) + key_floats_; }

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

/// Projected encodings of relative positions first, first - 1, ..., packed per head.
struct PositionPanels {
    const float* data;
    int first, count;
};

/// Rows of sin and cos for positions first .. first - count + 1 (RelPositionalEncoding.create_pe).
void encode_positions(int first, int count, int d_model, float* out);

/// A tile of queries reaches positions this far beyond the farthest that a query attends to: the
/// other queries of its group, and the alignment of panels.
constexpr int kPositionSlack = 2 * kPanel;

class RelPositionMultiHeadAttention {
  public:
    RelPositionMultiHeadAttention(const Weights& weights, int d_model, int heads);

    size_t position_floats(int count) const { return heads_ * panel_floats(count, d_head_); }

    /// Projects encodings[count, d_model] into panels of position_floats(count).
    void project_positions(Context& context, const float* encodings, int count,
                           float* panels) const;

    /// Appends x[frames, d_model] to the cache and adds the attention of x to residual. Query i is
    /// frame cache.frames() + i of the cache, as counted before; ranges are of cache frames.
    void operator()(Context& context, const float* x, int frames, KeyValueCache& cache,
                    const KeyRanges& ranges, const PositionPanels& positions,
                    float* residual) const;

  private:
    int d_model_, heads_, d_head_;
    Linear qkv_, linear_pos_, linear_out_;
    Buffer<float> pos_bias_u_, pos_bias_v_;  ///< [heads, d_head]
};

}  // namespace parrotlet
