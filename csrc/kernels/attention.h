// Attention of one head for one tile of queries, by relative position or without.
//
//   score[i, j] = ((q[i] + u) . k[j] + (q[i] + v) . p[i - j]) / sqrt(d)
//   y[i] = sum_j softmax_j(score[i, :])[j] v[j],   j in [key_begin(i), key_end(i))
//
// Transformer-XL (arXiv:1901.02860, section 3.3); NeMo's RelPositionMultiHeadAttention. The shift
// by i - j is an index into the positions' panels: no [T, T] buffer exists, only [tile, keys].
// Without p, u and v it is scaled dot-product attention: score[i, j] = q[i] . k[j] / sqrt(d).
// A global key is one more in every query's softmax, beside the run, and its position does not
// count: score[i] = q[i] . global_k / sqrt(d) (Longformer, arXiv:2004.05150, section 3.1).
//
// Keys, values and positions take the part of weights in three matrix products, and are packed like
// them (kernels/gemm.h): keys and positions in panels of 16 rows over a depth of d, values in
// panels of 16 columns over a depth of keys. There is a kernel for panels of floats, one for panels
// of halves, and one for panels of bytes, which quantises the queries and the softmax's results as
// all activations are.
#pragma once

#include <cstddef>

namespace parrotlet {

constexpr int kQueryTile = 48;  ///< queries per call, at most

struct AttentionArgs {
    const float* q = nullptr;  ///< queries of this head, rows q_stride apart
    size_t q_stride = 0;
    const float* bias_u = nullptr;  ///< [d], or null for zeros
    const float* bias_v = nullptr;  ///< [d]
    const std::byte* k = nullptr;   ///< packed keys
    const std::byte* v = nullptr;   ///< packed values
    const std::byte* p = nullptr;   ///< projected positions, packed like keys; row r is position
                                    ///< p_first - r; null for attention without positions
    float* y = nullptr;             ///< [queries, d], rows y_stride apart
    size_t y_stride = 0;
    const float* global_k = nullptr;  ///< [d], or null for none
    const float* global_v = nullptr;  ///< [d]
    int d = 0;
    int keys = 0;         ///< rows that k and v have room for
    int queries = 0;      ///< at most kQueryTile
    int query_index = 0;  ///< of the first query, on the axis of the keys: i in i - j
    int p_first = 0;
    const int* key_begin = nullptr;  ///< [queries] first key each query sees
    const int* key_end = nullptr;    ///< [queries] one past the last; if equal to key_begin, y = 0
    /// Keys and values of the thread's next call, from the first panel on that its queries see, or
    /// null: they are fetched meanwhile.
    const std::byte* next_k = nullptr;
    const std::byte* next_v = nullptr;
    bool fetched = false;          ///< the call before has fetched these
    std::byte* scratch = nullptr;  ///< scratch_bytes(d, keys), aligned to a cache line
};

/// The functions for one kind of panels.
struct AttentionKernel {
    size_t (*key_bytes)(int rows, int d);    ///< of packed keys or positions
    size_t (*value_bytes)(int rows, int d);  ///< of packed values
    /// Write x[rows, d], whose rows are `stride` apart, as rows `first`, first + 1, ... of packed
    /// keys or positions, and of packed values that have room for `capacity`. The rows before them
    /// have been written.
    void (*put_keys)(const float* x, size_t stride, int rows, int d, int first, std::byte* keys);
    void (*put_values)(const float* x, size_t stride, int rows, int d, int first, int capacity,
                       std::byte* values);
    /// Drops the first `drop` rows of both, a multiple of kPanel, and has the `left` ones after
    /// them begin where they did.
    void (*drop_rows)(int drop, int left, int d, int capacity, std::byte* keys, std::byte* values);
    size_t (*scratch_bytes)(int d, int keys);  ///< for queries that see `keys` keys among them
    void (*attend)(const AttentionArgs& args);
};

}  // namespace parrotlet
