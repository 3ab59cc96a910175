// kernels/attention.h
#pragma once

#include <cstddef>

#include "kernels/attention.h"
#include "kernels/attention_panels.inl"
#include "kernels/math.inl"
#include "kernels/panels.h"

namespace {

using parrotlet::AttentionArgs;
using parrotlet::kAttentionBlock;

/// Hands out a tile's scratch memory; without a memory, it counts.
class Scratch {
  public:
    explicit Scratch(std::byte* memory) : memory_(memory) {}
    template <typename T>
    T* take(size_t n) {
        T* p = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
        used_ += (n * sizeof(T) + 63) / 64 * 64;
        return p;
    }
    size_t used() const { return used_; }

  private:
    std::byte* memory_;
    size_t used_ = 0;
};

/// The buffers of one group of queries.
template <typename Panels>
struct GroupBuffers {
    float* queries;    ///< [rows][padded d], later the results
    std::byte* group;  ///< packed queries, later packed softmax weights
    float* scores;     ///< [rows][stride]
    float* shifted;    ///< [rows][p_stride]
    size_t d_stride, stride, p_stride;

    GroupBuffers(Scratch scratch, int d, int keys, size_t* used = nullptr) {
        constexpr int kRows = Panels::kRows;
        d_stride = round_up(d, kAttentionBlock);
        stride = round_up(keys, kAttentionBlock);
        // The spread of a group's queries and the alignment of panels on top.
        p_stride = stride + round_up(kRows, kPanel) + 2 * kPanel;
        queries = scratch.take<float>(kRows * d_stride);
        const int deepest = static_cast<int>(stride > d_stride ? stride : d_stride);
        group = scratch.take<std::byte>(Panels::group_bytes(deepest));
        scores = scratch.take<float>(kRows * stride);
        shifted = scratch.take<float>(kRows * p_stride);
        if (used != nullptr) *used = scratch.used();
    }
};

template <typename Panels>
size_t attention_scratch(int d, int keys) {
    size_t used = 0;
    GroupBuffers<Panels>(Scratch(nullptr), d, keys + kAttentionBlock, &used);
    return used;
}

/// Packs (q + bias) / sqrt(d) of `rows` queries as one group; bias may be null.
template <typename Panels>
inline void pack_queries(const AttentionArgs& s, int first, int rows, const float* bias,
                         const GroupBuffers<Panels>& buffers) {
    const F scale = Simd::set(1.0f / __builtin_sqrtf(static_cast<float>(s.d)));
    for (int r = 0; r < rows; r++) {
        const float* q = s.q + (first + r) * s.q_stride;
        float* out = buffers.queries + r * buffers.d_stride;
        for_lanes(s.d, [&](int i, int lanes) {
            F sum = load_lanes(q + i, lanes);
            if (bias != nullptr) sum = Simd::add(sum, load_lanes(bias + i, lanes));
            store_lanes(out + i, Simd::mul(sum, scale), lanes);
        });
        for (size_t i = s.d; i < buffers.d_stride; i++) out[i] = 0.0f;
    }
    Panels::pack_rows(buffers.queries, buffers.d_stride, rows, s.d, buffers.group);
}

inline float scalar_exp(float x) {
    float e[kWidth];
    Simd::store(e, exp(Simd::set(x)));
    return e[0];
}

/// exp(a[j] + b[j] - top) for j in [begin, end) into a, which is the softmax but for the returned
/// sum; b may be null. `top` becomes the largest of all scores if it was less.
inline float exponentiate(float* a, const float* b, int begin, int end, float& top) {
    F largest = Simd::set(top);
    int j = begin;
    for (; j + kWidth <= end; j += kWidth) {
        F score = Simd::load(a + j);
        if (b != nullptr) score = Simd::add(score, Simd::load(b + j));
        Simd::store(a + j, score);
        largest = Simd::max(largest, score);
    }
    top = Simd::largest(largest);
    for (; j < end; j++) {
        if (b != nullptr) a[j] += b[j];
        top = a[j] > top ? a[j] : top;
    }
    const F top_v = Simd::set(top);
    F total = Simd::zero();
    for (j = begin; j + kWidth <= end; j += kWidth) {
        const F e = exp(Simd::sub(Simd::load(a + j), top_v));
        Simd::store(a + j, e);
        total = Simd::add(total, e);
    }
    float sum = Simd::sum(total);
    for (; j < end; j++) sum += a[j] = scalar_exp(a[j] - top);
    return sum;
}

/// a . b / sqrt(d)
inline float scaled_product(const float* a, const float* b, int d) {
    F sum = Simd::zero();
    for_lanes(d, [&](int i, int lanes) {
        sum = Simd::fma(load_lanes(a + i, lanes), load_lanes(b + i, lanes), sum);
    });
    return Simd::sum(sum) / __builtin_sqrtf(static_cast<float>(d));
}

/// Asks for the scales of `keys` rows of `values` from the first one on, if they have any.
template <typename Panels>
inline void fetch_scales(const AttentionArgs& s, const std::byte* values, int first, int keys) {
    if constexpr (!Panels::kRowScales) return;
    const float* scales = row_scales<Panels>(values, s.keys, s.d) + first;
    for (int i = 0; i < keys; i += kPanel) __builtin_prefetch(scales + i, 0, 2);
}

/// Asks for the values of `keys` keys from the first one on: they are needed after the scores,
/// which take as long as memory does. Their panels are too short for the processor to fetch ahead
/// by itself. A call before that fetches them while it computes is better still.
template <typename Panels>
inline void fetch_values(const AttentionArgs& s, int first, int keys) {
    const size_t run = Panels::panel_bytes(keys), panel = Panels::panel_bytes(s.keys);
    const std::byte* values = s.v + Panels::panel_bytes(first);
    fetch_scales<Panels>(s, s.v, first, keys);
    for (size_t p = 0; p < panels_of(s.d); p++, values += panel)
        for (size_t i = 0; i < run; i += kCacheLine) __builtin_prefetch(values + i, 0, 2);
}

/// One group of queries, from the first one on. Keys are counted from `base`, where a panel of them
/// begins; values are taken from up to `ahead` keys before it, where a piece of them does.
template <typename Panels>
void attend_group(const AttentionArgs& s, int first, int rows) {
    int base = s.keys, end = 0;
    for (int r = first; r < first + rows; r++) {
        base = s.key_begin[r] < base ? s.key_begin[r] : base;
        end = s.key_end[r] > end ? s.key_end[r] : end;
    }
    base = base / kPanel * kPanel;
    const int keys = end > base ? end - base : 0, ahead = base % Panels::kUnit;
    const int depth = keys > 0 ? ahead + keys : 0, first_value = base - ahead;
    const GroupBuffers<Panels> buffers(Scratch(s.scratch), s.d, depth);

    // Query r and key j meet at position row origin + j - r.
    const int origin = s.p_first - (s.query_index + first) + base;
    const int p_base = (origin - (rows - 1)) / kPanel * kPanel;
    const int p_panels = keys > 0 ? static_cast<int>(panels_of(origin + keys - p_base)) : 0;

    // A stream's few queries find what they attend to in memory, and are the only ones to.
    if (s.queries < Panels::kRows && !(s.fetched && Panels::kFetchesNext))
        fetch_values<Panels>(s, first_value, depth);

    const size_t row_panel = Panels::panel_bytes(s.d);
    pack_queries(s, first, rows, s.bias_u, buffers);
    Panels::multiply(buffers.group, rows, s.k + base / kPanel * row_panel, row_panel,
                     static_cast<int>(panels_of(keys)), s.d, buffers.scores + ahead, buffers.stride,
                     s.next_k);
    if (s.p != nullptr) {
        pack_queries(s, first, rows, s.bias_v, buffers);
        Panels::multiply(buffers.group, rows, s.p + p_base / kPanel * row_panel, row_panel,
                         p_panels, s.d, buffers.shifted, buffers.p_stride);
    }

    float inverse[Panels::kRows], global[Panels::kRows];
    for (int r = 0; r < rows; r++) {
        const int b = s.key_begin[first + r] - base, e = s.key_end[first + r] - base;
        float *weights = buffers.scores + r * buffers.stride, *row = weights + ahead;
        const float* bias = s.p == nullptr
                                ? nullptr
                                : buffers.shifted + r * buffers.p_stride + (origin - r - p_base);
        const bool has_global = s.global_k != nullptr;
        const float global_score =
            has_global ? scaled_product(s.q + (first + r) * s.q_stride, s.global_k, s.d) : -3e38f;
        float top = global_score;
        float sum = b < e ? exponentiate(row, bias, b, e, top) : 0.0f;
        global[r] = has_global ? scalar_exp(global_score - top) : 0.0f;
        sum += global[r];
        inverse[r] = sum > 0.0f ? 1.0f / sum : 0.0f;
        if constexpr (Panels::kRowScales) {
            const float* scales = row_scales<Panels>(s.v, s.keys, s.d) + base;
            for_lanes(e - b, [&](int j, int lanes) {
                store_lanes(
                    row + b + j,
                    Simd::mul(load_lanes(row + b + j, lanes), load_lanes(scales + b + j, lanes)),
                    lanes);
            });
        }
        const int from = b < e ? ahead + b : depth, to = b < e ? ahead + e : depth;
        for (int j = 0; j < from; j++) weights[j] = 0.0f;
        for (int j = to; j < Panels::padded(depth); j++) weights[j] = 0.0f;
    }

    if (s.next_v != nullptr) fetch_scales<Panels>(s, s.next_v, first_value, depth);
    float* sums = buffers.queries;
    Panels::pack_rows(buffers.scores, buffers.stride, rows, depth, buffers.group);
    Panels::multiply(buffers.group, rows, s.v + Panels::panel_bytes(first_value),
                     Panels::panel_bytes(s.keys), static_cast<int>(panels_of(s.d)), depth, sums,
                     buffers.d_stride, s.next_v);
    for (int r = 0; r < rows; r++)
        for_lanes(s.d, [&](int i, int lanes) {
            F sum = Simd::load(sums + r * buffers.d_stride + i);
            if (s.global_v != nullptr)
                sum = Simd::fma(Simd::set(global[r]), load_lanes(s.global_v + i, lanes), sum);
            store_lanes(s.y + (first + r) * s.y_stride + i, Simd::mul(sum, Simd::set(inverse[r])),
                        lanes);
        });
}

template <typename Panels>
void attend(const AttentionArgs& s) {
    [[maybe_unused]] const typename Panels::InUse in_use(s.queries);
    for (int first = 0; first < s.queries; first += Panels::kRows)
        attend_group<Panels>(s, first,
                             s.queries - first < Panels::kRows ? s.queries - first : Panels::kRows);
}

template <typename Panels>
constexpr parrotlet::AttentionKernel attention_kernel() {
    return {.key_bytes = key_bytes<Panels>,
            .value_bytes = value_bytes<Panels>,
            .put_keys = put_keys<Panels>,
            .put_values = put_values<Panels>,
            .drop_rows = drop_rows<Panels>,
            .scratch_bytes = attention_scratch<Panels>,
            .attend = attend<Panels>};
}

}  // namespace
