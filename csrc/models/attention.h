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

    const int* begin() const { return begin_.data(); }
    const int* end() const { return end_.data(); }
    int farthest_back() const { return farthest_back_; }    ///< largest query - key, at least 0
    int farthest_ahead() const { return farthest_ahead_; }  ///< largest key - query, at least 0

  private:
    std::vector<int> begin_, end_;
    int farthest_back_ = 0, farthest_ahead_ = 0;
};

/// Sinusoidal encodings of relative positions `first`, first - 1, ..., one row each.
struct RelativePositions {
    const float* encodings;  ///< [count, d_model]
    int first, count;
};

/// Rows of sin and cos for positions first .. first - count + 1 (RelPositionalEncoding.create_pe).
void encode_positions(int first, int count, int d_model, float* out);

class RelPositionMultiHeadAttention {
  public:
    RelPositionMultiHeadAttention(const Weights& weights, int d_model, int heads);

    /// residual[frames, d_model] += attention(x[frames, d_model]).
    void operator()(Context& context, const float* x, int frames, const KeyRanges& ranges,
                    const RelativePositions& positions, float* residual) const;

  private:
    int d_model_, heads_, d_head_;
    Linear qkv_, linear_pos_, linear_out_;
    Buffer<float> pos_bias_u_, pos_bias_v_;  ///< [heads, d_head]
};

}  // namespace parrotlet
