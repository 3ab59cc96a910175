// Relative-position attention of one head for one tile of queries.
//
//   score[i, j] = ((q[i] + u) . k[j] + (q[i] + v) . p[i - j]) / sqrt(d)
//   y[i] = sum_j softmax_j(score[i, :])[j] v[j],   j in [key_begin(i), key_end(i))
//
// Transformer-XL (arXiv:1901.02860, section 3.3); NeMo's RelPositionMultiHeadAttention. The shift
// by i - j is an index into the positions' panels: no [T, T] buffer exists, only [tile, keys].
#pragma once

#include <cstddef>

namespace parrotlet {

constexpr int kQueryTile = 48;  ///< queries per call, at most

struct AttentionArgs {
    const float* q = nullptr;  ///< queries of this head, rows q_stride apart
    size_t q_stride = 0;
    const float* bias_u = nullptr;  ///< [d]
    const float* bias_v = nullptr;  ///< [d]
    const float* k = nullptr;       ///< keys packed as f32 weight panels: [keys / 16][d][16]
    const float* v = nullptr;       ///< values packed as panels: [d / 16][keys][16]
    const float* p = nullptr;       ///< projected positions, packed like keys; row r is position
                                    ///< p_first - r
    float* y = nullptr;             ///< [queries, d], rows y_stride apart
    size_t y_stride = 0;
    int d = 0;
    int keys = 0;         ///< rows that k and v have room for
    int queries = 0;      ///< at most kQueryTile
    int query_index = 0;  ///< of the first query, on the axis of the keys: i in i - j
    int positions = 0;    ///< rows of p
    int p_first = 0;
    const int* key_begin = nullptr;  ///< [queries] first key each query sees
    const int* key_end = nullptr;    ///< [queries] one past the last; if equal to key_begin, y = 0
    float* scratch = nullptr;        ///< attention_scratch(d, keys) floats
};

/// Floats of scratch for a tile that sees up to `keys` keys.
size_t attention_scratch(int d, int keys);

using AttentionKernel = void (*)(const AttentionArgs&);

}  // namespace parrotlet
