// Weight matrices in the layout the matrix products read (kernels/gemm.h).
#pragma once

#include <span>
#include <vector>

#include "gguf/reader.h"
#include "nn/context.h"

namespace parrotlet {

/// How the rows of several matrices become the columns of one product.
enum class Arrangement {
    stacked,  ///< one after the other (query, key and value projections)
    glu,      ///< one matrix whose halves alternate by panels: values, gates, values, gates ...
};

/// Bytes of a packed matrix [n, k], for Arrangement::glu with halves of whole panels.
size_t packed_bytes(TensorType type, int n, int k);

/// The functions that multiply by matrices of a type.
const GemmKernel& gemm_kernel(const KernelTable& kernels, TensorType type);

class PackedMatrix {
  public:
    PackedMatrix() = default;

    /// Packs matrices of the same type and row length.
    PackedMatrix(std::span<const TensorInfo* const> tensors, Arrangement arrangement);

    /// Packs [n, k] floats.
    PackedMatrix(const float* values, int n, int k);

    int n() const { return n_; }  ///< rows of the matrix, columns of the product
    int k() const { return k_; }
    size_t bytes() const { return panels_.size(); }
    bool quantised() const { return type_ != TensorType::f32 && type_ != TensorType::f16; }

    /// y[m, n] = x[m, k] * this^T, then the epilogue; rows of x are `x_stride` apart, those of y
    /// `y_stride`. For Activation::glu y has n / 2 columns. Runs on the context's pool.
    void multiply(Context& context, const float* x, size_t x_stride, int m, float* y,
                  size_t y_stride, const Epilogue& epilogue) const;

    /// The same on the calling thread alone, with scratch from `arena`: for use inside tasks.
    void multiply_serial(const KernelTable& kernels, Arena& arena, const float* x, size_t x_stride,
                         int m, float* y, size_t y_stride, const Epilogue& epilogue) const;

  private:
    GemmArgs product(const std::byte* a, int m, float* y, size_t y_stride,
                     const Epilogue& epilogue) const;
    int panels() const;

    TensorType type_ = TensorType::f32;
    Arrangement arrangement_ = Arrangement::stacked;
    int n_ = 0, k_ = 0;
    Buffer<std::byte> panels_;
};

/// Floats of rows x depth values packed as f32 panels, and the packing itself:
/// out[row / 16][i][row % 16] = x[row * stride + i]; rows missing in the last panel are zero.
size_t panel_floats(int rows, int depth);
void pack_panels(const float* x, size_t stride, int rows, int depth, float* out);

}  // namespace parrotlet
