// The small layers, named after the torch.nn modules they run.
#pragma once

#include <span>
#include <string>

#include "nn/packed_matrix.h"
#include "nn/weights.h"

namespace parrotlet {

/// torch.nn.Linear, or a pointwise torch.nn.Conv1d: y = x W^T + b.
class Linear {
  public:
    Linear() = default;

    /// Reads `scope`.weight [out, in] and, if there, `scope`.bias [out].
    Linear(const Weights& weights, const std::string& scope, int in, int out,
           Arrangement arrangement = Arrangement::stacked);

    /// Several layers of the same input as one product, their outputs side by side.
    Linear(const Weights& weights, std::initializer_list<std::string> scopes, int in, int out_each);

    bool quantised() const { return matrix_.quantised(); }
    bool exact() const { return matrix_.exact(); }
    int in() const { return matrix_.k(); }
    int out() const { return matrix_.n(); }
    size_t bytes() const { return matrix_.bytes() + bias_.bytes(); }  ///< of the weights, packed

    /// y[m, out] from contiguous x[m, in]. The epilogue's bias is this layer's own.
    void operator()(Context& context, const float* x, int m, float* y,
                    Epilogue epilogue = {}) const;

    /// The same from rows packed by `pack`.
    void operator()(Context& context, const PackedRows& x, float* y, Epilogue epilogue = {}) const;

    /// The same, the result being packed as the input of `next`. See PackedMatrix::multiply.
    PackedRows operator()(Context& context, const PackedRows& x, const Linear& next,
                          Epilogue epilogue = {}) const;

    /// Packs m rows that write(row, count, out) writes as the input of this layer.
    PackedRows pack(Context& context, int m, const PackedMatrix::WriteRows& write) const {
        return matrix_.pack(context, m, write);
    }

    /// On the calling thread alone.
    void run_serial(const KernelTable& kernels, Arena& arena, const float* x, int m, float* y,
                    Epilogue epilogue = {}) const;

  private:
    int columns(const Epilogue& epilogue) const {
        return epilogue.activation == Activation::glu ? out() / 2 : out();
    }

    PackedMatrix matrix_;
    Buffer<float> bias_;
};

/// torch.nn.LayerNorm over the last axis, eps 1e-5.
class LayerNorm {
  public:
    LayerNorm() = default;
    LayerNorm(const Weights& weights, const std::string& scope, int size);

    /// Without weights: elementwise_affine is false.
    explicit LayerNorm(int size);

    size_t bytes() const { return weight_.bytes() + bias_.bytes(); }

    /// y[m, size] from x[m, size]; y may be x.
    void operator()(Context& context, const float* x, int m, float* y) const;

    /// The same, the result being packed as the input of `next`.
    PackedRows operator()(Context& context, const float* x, int m, const Linear& next) const;

    /// On the calling thread alone.
    void run_serial(const KernelTable& kernels, const float* x, int m, float* y) const;

  private:
    int size_ = 0;
    Buffer<float> weight_, bias_;
};

/// x = x - log(sum(exp(x))) for each of m rows of n values, in place (torch.nn.LogSoftmax).
void log_softmax(float* x, int m, int n);

/// The last `left` inputs of a convolution over time [left, channels], in a ring: row `oldest` is
/// the first of them.
struct ConvolutionHistory {
    float* rows = nullptr;
    int oldest = 0;
};

/// What a convolution over time makes of one sequence: y[frames, channels] of
/// x[past + frames + ahead, channels], of which `past` frames come before the first one of y, and
/// `ahead` after its last. With a history, which takes the place of `past`, x goes into it.
struct ConvolvedRows {
    const float* x;
    int past, frames;
    float* y;
    int ahead = 0;
    ConvolutionHistory history = {};
};

/// torch.nn.Conv1d with one filter per channel, over frames of channels, stride 1.
class DepthwiseConv1d {
  public:
    DepthwiseConv1d() = default;

    /// Reads `scope`.weight [channels, kernel] and, if there, `scope`.bias. Frame t of the output
    /// sees input frames t - left .. t - left + kernel - 1.
    DepthwiseConv1d(const Weights& weights, const std::string& scope, int channels, int kernel,
                    int left);

    size_t bytes() const { return weight_.bytes() + bias_.bytes(); }

    /// With zeros beyond both ends of each sequence; `past` must be `left` unless it is 0.
    void operator()(Context& context, std::span<const ConvolvedRows> sequences) const;

  private:
    int channels_ = 0, kernel_ = 0, left_ = 0;
    Buffer<float> weight_;  ///< [kernel, channels]
    Buffer<float> bias_;
};

/// [rows, columns] -> [columns, rows].
Buffer<float> transposed(const Buffer<float>& values, size_t rows, size_t columns);

}  // namespace parrotlet
