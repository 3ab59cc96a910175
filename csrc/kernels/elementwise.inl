// kernels/elementwise.h
#pragma once

#include <cstddef>

#include "kernels/elementwise.h"
#include "kernels/math.inl"

namespace {

/// The sum of f(x[i]) over n values: four sums side by side, each addition being slow to finish.
template <typename Function>
inline float sum_of(const float* x, int n, Function f) {
    F sums[4] = {Simd::zero(), Simd::zero(), Simd::zero(), Simd::zero()};
    int i = 0;
    for (; i + 4 * kWidth <= n; i += 4 * kWidth)
        for (int s = 0; s < 4; s++) sums[s] = Simd::add(sums[s], f(Simd::load(x + i + s * kWidth)));
    for (; i + kWidth <= n; i += kWidth) sums[0] = Simd::add(sums[0], f(Simd::load(x + i)));
    float total = Simd::sum(Simd::add(Simd::add(sums[0], sums[1]), Simd::add(sums[2], sums[3])));
    for (; i < n; i++) {
        float last[kWidth];
        Simd::store(last, f(Simd::set(x[i])));
        total += last[0];
    }
    return total;
}

void layer_norm(const float* x, const float* gain, const float* bias, float eps, int rows, int n,
                float* y) {
    for (int r = 0; r < rows; r++, x += n, y += n) {
        // The next row, which may be in memory: hardware begins anew with each page.
        for (int i = 0; i < n; i += 16) __builtin_prefetch(x + n + i);
        const float size = static_cast<float>(n);
        const F mean = Simd::set(sum_of(x, n, [](F v) { return v; }) / size);
        // A second pass over the row, in cache by now: the one-pass formula cancels.
        const float squares = sum_of(x, n, [mean](F v) {
            const F d = Simd::sub(v, mean);
            return Simd::mul(d, d);
        });
        const F inverse = Simd::set(1.0f / __builtin_sqrtf(squares / size + eps));
        for_lanes(n, [&](int i, int lanes) {
            const F d = Simd::mul(Simd::sub(load_lanes(x + i, lanes), mean), inverse);
            store_lanes(y + i,
                        Simd::fma(d, load_lanes(gain + i, lanes), load_lanes(bias + i, lanes)),
                        lanes);
        });
    }
}

void silu(const float* x, size_t n, float* y) {
    for_lanes(static_cast<int>(n), [&](int i, int lanes) {
        const F v = load_lanes(x + i, lanes);
        store_lanes(y + i, Simd::mul(v, sigmoid(v)), lanes);
    });
}

void relu_add(const float* a, const float* b, int n, float* y) {
    for_lanes(n, [&](int i, int lanes) {
        const F sum = Simd::add(load_lanes(a + i, lanes), load_lanes(b + i, lanes));
        store_lanes(y + i, Simd::max(sum, Simd::zero()), lanes);
    });
}

void tanh_add(const float* a, const float* b, int n, float* y) {
    for_lanes(n, [&](int i, int lanes) {
        const F sum = Simd::add(load_lanes(a + i, lanes), load_lanes(b + i, lanes));
        store_lanes(y + i, tanh(sum), lanes);
    });
}

float sum_exp(const float* x, int n, float offset) {
    const F shift = Simd::set(offset);
    return sum_of(x, n, [shift](F v) { return exp(Simd::sub(v, shift)); });
}

void lstm_cell(const float* gates, int n, float* cell, float* hidden) {
    for_lanes(n, [&](int i, int lanes) {
        const F input = sigmoid(load_lanes(gates + i, lanes));
        const F forget = sigmoid(load_lanes(gates + n + i, lanes));
        const F candidate = tanh(load_lanes(gates + 2 * n + i, lanes));
        const F output = sigmoid(load_lanes(gates + 3 * n + i, lanes));
        const F c = Simd::fma(forget, load_lanes(cell + i, lanes), Simd::mul(input, candidate));
        store_lanes(cell + i, c, lanes);
        store_lanes(hidden + i, Simd::mul(output, tanh(c)), lanes);
    });
}

}  // namespace
