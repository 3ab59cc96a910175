#include "nn/layers.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr float kLayerNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's default

/// Splits [0, n) into chunks of at least `grain` and runs body(begin, end) on the pool.
template <typename Body>
void parallel_ranges(ThreadPool& pool, size_t n, size_t grain, Body body) {
    const size_t chunks = std::clamp<size_t>(n / std::max<size_t>(grain, 1), 1, 4 * pool.size());
    pool.parallel_for(chunks, [&](size_t i) { body(n * i / chunks, n * (i + 1) / chunks); });
}

}  // namespace

Linear::Linear(const Weights& weights, const std::string& scope, int in, int out,
               Arrangement arrangement)
    : bias_(weights.optional_values(scope + ".bias", {size_t(out)})) {
    const MatrixRows matrix = weights.matrix(scope + ".weight", {size_t(out), size_t(in)});
    matrix_ = PackedMatrix({&matrix, 1}, arrangement);
}

Linear::Linear(const Weights& weights, std::initializer_list<std::string> scopes, int in,
               int out_each) {
    std::vector<MatrixRows> matrices;
    for (const std::string& scope : scopes) {
        matrices.push_back(weights.matrix(scope + ".weight", {size_t(out_each), size_t(in)}));
        if (matrices.back().type != matrices[0].type)
            throw ModelFileError(weights.file().path() + ": the weights of " + *scopes.begin() +
                                 " and " + scope +
                                 " must have one type; convert the checkpoint again");
    }
    matrix_ = PackedMatrix(matrices, Arrangement::stacked);
    if (!weights.has(*scopes.begin() + ".bias")) return;
    bias_ = Buffer<float>(scopes.size() * out_each);
    float* out = bias_.data();
    for (const std::string& scope : scopes) {
        const Buffer<float> part = weights.values(scope + ".bias", {size_t(out_each)});
        out = std::copy_n(part.data(), out_each, out);
    }
}

void Linear::operator()(Context& context, const float* x, int m, float* y,
                        Epilogue epilogue) const {
    epilogue.bias = bias_.data();
    matrix_.multiply(context, x, in(), m, y, columns(epilogue), epilogue);
}

void Linear::run_serial(const KernelTable& kernels, Arena& arena, const float* x, int m, float* y,
                        Epilogue epilogue) const {
    epilogue.bias = bias_.data();
    matrix_.multiply_serial(kernels, arena, x, in(), m, y, columns(epilogue), epilogue);
}

LayerNorm::LayerNorm(const Weights& weights, const std::string& scope, int size)
    : size_(size),
      weight_(weights.values(scope + ".weight", {size_t(size)})),
      bias_(weights.values(scope + ".bias", {size_t(size)})) {}

void LayerNorm::operator()(Context& context, const float* x, int m, float* y) const {
    parallel_ranges(context.pool, m, 16, [&](size_t begin, size_t end) {
        context.kernels.layer_norm(x + begin * size_, weight_.data(), bias_.data(),
                                   kLayerNormEpsilon, static_cast<int>(end - begin), size_,
                                   y + begin * size_);
    });
}

void log_softmax(float* x, int m, int n) {
    for (int t = 0; t < m; t++, x += n) {
        const float top = *std::max_element(x, x + n);
        double sum = 0.0;
        for (int i = 0; i < n; i++) sum += std::exp(x[i] - top);
        const float log_sum = top + static_cast<float>(std::log(sum));
        for (int i = 0; i < n; i++) x[i] -= log_sum;
    }
}

DepthwiseConv1d::DepthwiseConv1d(const Weights& weights, const std::string& scope, int channels,
                                 int kernel, int left)
    : channels_(channels),
      kernel_(kernel),
      left_(left),
      weight_(transposed(weights.values(scope + ".weight", {size_t(channels), size_t(kernel)}),
                         channels, kernel)),
      bias_(weights.optional_values(scope + ".bias", {size_t(channels)})) {}

void DepthwiseConv1d::operator()(Context& context, const float* x, int past, int frames,
                                 float* y) const {
    constexpr size_t kChannels = 64;  // a task's share: kernel rows of it stay in L1
    const size_t tasks = (channels_ + kChannels - 1) / kChannels;
    context.pool.parallel_for(tasks, [&](size_t task) {
        context.kernels.depthwise_conv1d(
            {.x = x,
             .w = weight_.data(),
             .bias = bias_.data(),
             .y = y,
             .x_frames = past + frames,
             .frames = frames,
             .channels = channels_,
             .kernel = kernel_,
             .left = left_ - past,
             .channel_begin = static_cast<int>(task * kChannels),
             .channel_end = std::min(channels_, static_cast<int>((task + 1) * kChannels))});
    });
}

void silu(Context& context, float* x, size_t n) {
    parallel_ranges(context.pool, n, size_t{1} << 14, [&](size_t begin, size_t end) {
        context.kernels.silu(x + begin, end - begin);
    });
}

Buffer<float> transposed(const Buffer<float>& values, size_t rows, size_t columns) {
    Buffer<float> result(rows * columns);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c];
    return result;
}

}  // namespace parrotlet
