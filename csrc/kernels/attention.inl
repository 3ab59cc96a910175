// kernels/attention.h

namespace {

using parrotlet::AttentionArgs;

constexpr int kGroup = Simd::kRowsF32;  // queries computed at once

/// Panels of an axis that starts at a multiple of kPanel.
inline int panels_of(int n) { return (n + kPanel - 1) / kPanel; }

/// out[r, :] = group[r, :] * W^T for `panels` panels, panel_stride floats apart, over a depth of k;
/// rows of out are `stride` apart.
inline void multiply_panels(const float* group, int rows, const float* w, size_t panel_stride,
                            int panels, int k, float* out, size_t stride) {
    Tile tile;
    for (int panel = 0; panel < panels; panel += Simd::kPanelsF32) {
        const bool both = Simd::kPanelsF32 == 2 && panel + 1 < panels;
        const float* first = w + panel * panel_stride;
        if (both)
            multiply_rows<float, 2>(rows, group, first, panel_stride, k, tile);
        else
            multiply_rows<float, 1>(rows, group, first, panel_stride, k, tile);
        for (int p = 0; p < (both ? 2 : 1); p++)
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < kVectors; v++)
                    Simd::store(out + r * stride + (panel + p) * kPanel + v * kWidth,
                                Simd::load(tile[p][r] + v * kWidth));
    }
}

/// Packs (q + bias) / sqrt(d) of `rows` queries as one group, [d][kGroup].
inline void pack_queries(const AttentionArgs& s, int first, int rows, const float* bias,
                         float* group) {
    const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(s.d));
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < s.d; i++)
            group[i * kGroup + r] = (s.q[(first + r) * s.q_stride + i] + bias[i]) * scale;
}

/// exp(a[j] + b[j] - max) for j in [begin, end) into a, which is the softmax but for the returned
/// sum.
inline float exponentiate(float* a, const float* b, int begin, int end) {
    F largest = Simd::set(-3e38f);
    int j = begin;
    for (; j + kWidth <= end; j += kWidth) {
        const F score = Simd::add(Simd::load(a + j), Simd::load(b + j));
        Simd::store(a + j, score);
        largest = Simd::max(largest, score);
    }
    float top = Simd::largest(largest);
    for (; j < end; j++) {
        a[j] += b[j];
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
    for (; j < end; j++) {
        float e[kWidth];
        Simd::store(e, exp(Simd::set(a[j] - top)));
        a[j] = e[0];
        sum += e[0];
    }
    return sum;
}

/// One group of queries, from the first one on. Keys are counted from `base`, a multiple of kPanel.
void attend(const AttentionArgs& s, int first, int rows) {
    int base = s.keys, end = 0;
    for (int r = first; r < first + rows; r++) {
        base = s.key_begin[r] < base ? s.key_begin[r] : base;
        end = s.key_end[r] > end ? s.key_end[r] : end;
    }
    base = base / kPanel * kPanel;
    const int key_panels = end > base ? panels_of(end - base) : 0;
    const size_t stride = static_cast<size_t>(key_panels) * kPanel;

    // Query r and key j meet at position row origin + j - r.
    const int origin = s.p_first - (s.query_index + first) + base;
    const int p_base = (origin - (rows - 1)) / kPanel * kPanel;
    const int p_end = origin + (end - base);
    const int p_panels = key_panels > 0 ? panels_of(p_end - p_base) : 0;
    const size_t p_stride = static_cast<size_t>(p_panels) * kPanel;

    const int d_panels = panels_of(s.d);
    const size_t d_stride = static_cast<size_t>(d_panels) * kPanel;
    float* group = s.scratch;
    float* scores = group + d_stride * kGroup;
    float* shifted = scores + stride * kGroup;
    float* weights = shifted + p_stride * kGroup;
    const size_t panel_floats = static_cast<size_t>(s.d) * kPanel;

    pack_queries(s, first, rows, s.bias_u, group);
    multiply_panels(group, rows, s.k + base / kPanel * panel_floats, panel_floats, key_panels, s.d,
                    scores, stride);
    pack_queries(s, first, rows, s.bias_v, group);
    multiply_panels(group, rows, s.p + p_base / kPanel * panel_floats, panel_floats, p_panels, s.d,
                    shifted, p_stride);

    float inverse[kGroup];
    for (int r = 0; r < rows; r++) {
        const int b = s.key_begin[first + r] - base, e = s.key_end[first + r] - base;
        float* row = scores + r * stride;
        const float* bias = shifted + r * p_stride + (origin - r - p_base);
        const float sum = b < e ? exponentiate(row, bias, b, e) : 0.0f;
        inverse[r] = sum > 0.0f ? 1.0f / sum : 0.0f;
        for (int j = 0; j < end - base; j++)
            weights[j * kGroup + r] = j >= b && j < e ? row[j] : 0.0f;
    }

    float* sums = group;  // the queries are no longer needed
    multiply_panels(weights, rows, s.v + static_cast<size_t>(base) * kPanel,
                    static_cast<size_t>(s.keys) * kPanel, d_panels, end > base ? end - base : 0,
                    sums, d_stride);
    for (int r = 0; r < rows; r++)
        for_lanes(s.d, [&](int i, int lanes) {
            const F sum = Simd::load(sums + r * d_stride + i);
            store_lanes(s.y + (first + r) * s.y_stride + i, Simd::mul(sum, Simd::set(inverse[r])),
                        lanes);
        });
}

void attention(const AttentionArgs& s) {
    for (int first = 0; first < s.queries; first += kGroup)
        attend(s, first, s.queries - first < kGroup ? s.queries - first : kGroup);
}

}  // namespace
