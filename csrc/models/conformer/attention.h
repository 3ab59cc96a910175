// NeMo's RelPositionMultiHeadAttention (Transformer-XL, arXiv:1901.02860, section 3.3), and its
// RelPositionMultiHeadAttentionLongformer (arXiv:2004.05150): the same over a window of keys around
// each frame, optionally with a global token.
//
// A global token is the first frame. Every frame sees it, beside the keys of its window; it sees
// every frame; and for both, positions and their biases do not count.
#pragma once

#include <vector>

#include "models/conformer/config.h"
#include "nn/sequence.h"

namespace parrotlet {

class RelPositionMultiHeadAttention {
  public:
    /// The products of attention are as exact as the weights: of floats, halves, or, where weights
    /// are quantised, of bytes.
    RelPositionMultiHeadAttention(const Weights& weights, const EncoderConfig& config);

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

    /// Queries, keys and values of a piece of a sequence, and the keys and values of all of it.
    struct Piece {
        float* qkv;       ///< [rows, 3 d_model]
        int first, rows;  ///< frames; the first is a multiple of kAttentionBlock
        const PackedKeyValues* packed;
    };

    /// Room for the keys and values of a sequence that is taken in pieces.
    PackedKeyValues room(Context& context, int frames) const {
        return key_value_room(context.arena, kernel(context), heads_, d_head_, frames);
    }

    /// Writes what x[piece.rows, d_model] becomes, and packs its keys and values.
    void project(Context& context, const PackedRows& x, const Piece& piece) const;

    /// Adds the attention of a piece to residual[piece.rows, d_model]. The keys that it sees have
    /// been projected. There is no global token.
    void attend(Context& context, const Piece& piece, const Sequence& sequence,
                float* residual) const;

    /// The kernel for the panels that keys, values and positions are.
    const AttentionKernel& kernel(const Context& context) const { return context.kernels.*kernel_; }

  private:
    void attend(Context& context, std::vector<HeadQueries>& queries, float* residual) const;
    void attend_global_tokens(Context& context, std::span<const HeadQueries> queries) const;

    int d_model_, heads_, d_head_;
    bool global_token_;
    AttentionKernel KernelTable::* kernel_;
    Linear qkv_, linear_pos_, linear_out_;
    Buffer<float> pos_bias_u_, pos_bias_v_;  ///< [heads, d_head]
};

}  // namespace parrotlet
