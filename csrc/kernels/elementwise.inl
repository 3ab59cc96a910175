// kernels/elementwise.h

namespace {

void layer_norm(const float* x, const float* gain, const float* bias, float eps, int rows, int n,
                float* y) {
    for (int r = 0; r < rows; r++, x += n, y += n) {
        F total = Simd::zero();
        for_lanes(n, [&](int i, int lanes) { total = Simd::add(total, load_lanes(x + i, lanes)); });
        const float mean = Simd::sum(total) / static_cast<float>(n);
        const F mean_v = Simd::set(mean);
        // A second pass over the row, in cache by now: the one-pass formula cancels.
        F squares = Simd::zero();
        int i = 0;
        for (; i + kWidth <= n; i += kWidth) {
            const F d = Simd::sub(Simd::load(x + i), mean_v);
            squares = Simd::fma(d, d, squares);
        }
        float variance = Simd::sum(squares);
        for (; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
        const F inverse = Simd::set(1.0f / __builtin_sqrtf(variance / static_cast<float>(n) + eps));
        for_lanes(n, [&](int j, int lanes) {
            const F d = Simd::mul(Simd::sub(load_lanes(x + j, lanes), mean_v), inverse);
            store_lanes(y + j,
                        Simd::fma(d, load_lanes(gain + j, lanes), load_lanes(bias + j, lanes)),
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
