#include "nn/layers.h"

#include <algorithm>
#include <cmath>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr float kLayerNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's default

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

void Linear::operator()(Context& context, const PackedRows& x, float* y, Epilogue epilogue) const {
    epilogue.bias = bias_.data();
    matrix_.multiply(context, x, y, columns(epilogue), epilogue);
}

PackedRows Linear::operator()(Context& context, const PackedRows& x, const Linear& next,
                              Epilogue epilogue) const {
    epilogue.bias = bias_.data();
    return matrix_.multiply(context, x, next.matrix_, epilogue);
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

LayerNorm::LayerNorm(int size) : size_(size), weight_(size), bias_(size) {
    std::fill_n(weight_.data(), size, 1.0f);
    std::fill_n(bias_.data(), size, 0.0f);
}

void LayerNorm::run_serial(const KernelTable& kernels, const float* x, int m, float* y) const {
    kernels.layer_norm(x, weight_.data(), bias_.data(), kLayerNormEpsilon, m, size_, y);
}

void LayerNorm::operator()(Context& context, const float* x, int m, float* y) const {
    constexpr size_t kGrain = 16;  // rows that are worth a task
    const size_t tasks = std::clamp<size_t>(m / kGrain, 1, 4 * context.pool.size());
    context.pool.parallel_for(tasks, [&](size_t task) {
        const size_t begin = m * task / tasks, end = m * (task + 1) / tasks;
        run_serial(context.kernels, x + begin * size_, static_cast<int>(end - begin),
                   y + begin * size_);
    });
}

PackedRows LayerNorm::operator()(Context& context, const float* x, int m,
                                 const Linear& next) const {
    return next.pack(context, m, [&](int row, int count, float* out) {
        run_serial(context.kernels, x + static_cast<size_t>(row) * size_, count, out);
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

void DepthwiseConv1d::operator()(Context& context, std::span<const ConvolvedRows> sequences) const {
    constexpr size_t kChannels = 64;  // at a time: kernel rows of them stay in L1
    const size_t parts = (channels_ + kChannels - 1) / kChannels;
    context.pool.parallel_for_short(parts * sequences.size(), [&](size_t index) {
        const size_t part = index % parts;
        const auto& [x, past, frames, y, ahead, history] = sequences[index / parts];
        context.kernels.depthwise_conv1d(
            {.x = x,
             .w = weight_.data(),
             .bias = bias_.data(),
             .y = y,
             .history = left_ > 0 ? history.rows : nullptr,
             .oldest = history.oldest,
             .x_frames = past + frames + ahead,
             .frames = frames,
             .channels = channels_,
             .kernel = kernel_,
             .left = left_ - past,
             .channel_begin = static_cast<int>(part * kChannels),
             .channel_end = std::min(channels_, static_cast<int>((part + 1) * kChannels))});
    });
}

Buffer<float> transposed(const Buffer<float>& values, size_t rows, size_t columns) {
    Buffer<float> result(rows * columns);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c];
    return result;
}

}  // namespace parrotlet
