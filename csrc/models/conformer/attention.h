// NeMo's RelPositionMultiHeadAttention (Transformer-XL, arXiv:1901.02860, section 3.3).
#pragma once

#include "nn/sequence.h"

namespace parrotlet {

class RelPositionMultiHeadAttention {
  public:
    /// The products of attention are as exact as the weights: of floats, halves, or, where weights
    /// are quantised, of bytes. A style whose streams keep keys has halves then: a block of
    /// bytes takes all its keys at once.
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

    /// Of the weights, packed.
    size_t bytes() const {
        return qkv_.bytes() + linear_pos_.bytes() + linear_out_.bytes() + pos_bias_u_.bytes() +
               pos_bias_v_.bytes();
    }

    /// What the input is packed for: the projections of queries, keys and values.
    const Linear& qkv() const { return qkv_; }

    /// Adds the attention of x[total_rows(sequences), d_model] to residual. Rows of a sequence with
    /// a cache are appended to it, and query i is frame cache->frames() + i of the cache, as
    /// counted before; ranges are of its frames. Without, keys are the rows of the sequence.
    void operator()(Context& context, const PackedRows& x, std::span<const Sequence> sequences,
                    float* residual) const;

    /// The kernel for the panels that keys, values and positions are.
    const AttentionKernel& kernel(const Context& context) const { return context.kernels.*kernel_; }

  private:
    int d_model_, heads_, d_head_;
    AttentionKernel KernelTable::* kernel_;
    Linear qkv_, linear_pos_, linear_out_;
    Buffer<float> pos_bias_u_, pos_bias_v_;  ///< [heads, d_head]
};

}  // namespace parrotlet
