// Weight matrices in the layout the matrix products read (kernels/gemm.h).
#pragma once

#include <functional>
#include <span>

#include "nn/context.h"
#include "quant/types.h"

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

/// Rows are read this many bytes at a time: they stay in a cache while they are packed or decoded.
constexpr size_t kReadBytes = size_t{256} << 10;

/// A matrix in a block format whose rows are read when they are needed.
struct MatrixRows {
    TensorType type = TensorType::f32;
    size_t rows = 0, length = 0;
    /// Writes `count` rows from row `first` on; none where only sizes are known.
    std::function<void(size_t first, size_t count, std::byte* out)> read;
};

/// m rows as the left operand of a product (kernels/gemm.h).
struct PackedRows {
    std::byte* groups = nullptr;
    size_t group_bytes = 0;
    int m = 0;
};

class PackedMatrix {
  public:
    PackedMatrix() = default;

    /// Packs matrices of the same type and row length, reading a few rows at a time. One that
    /// cannot be read has its sizes and no memory: it is for counting alone.
    PackedMatrix(std::span<const MatrixRows> matrices, Arrangement arrangement);

    /// Packs [n, k] floats.
    PackedMatrix(const float* values, int n, int k);

    int n() const { return n_; }  ///< rows of the matrix, columns of the product
    int k() const { return k_; }
    size_t bytes() const;
    bool exact() const { return type_ == TensorType::f32; }  ///< whether values are floats
    bool quantised() const { return !exact() && type_ != TensorType::f16; }

    /// Packs x[m, k], rows `x_stride` apart, as the left operand of a product, into the context's
    /// arena. Runs on its pool, as do all that take a context.
    PackedRows pack(Context& context, const float* x, size_t x_stride, int m) const;

    /// The same for rows that are made when they are needed: write(row, count, out) writes rows
    /// row .. row + count - 1, [count, k], and may be called from any thread.
    using WriteRows = std::function<void(int row, int count, float* out)>;
    PackedRows pack(Context& context, int m, const WriteRows& write) const;

    /// y[m, n] = x[m, k] * this^T, then the epilogue; rows of y are `y_stride` apart. For
    /// Activation::glu y has n / 2 columns.
    void multiply(Context& context, const PackedRows& x, float* y, size_t y_stride,
                  const Epilogue& epilogue) const;

    /// The same, the result being packed for a product with `next`, in the context's arena. The
    /// epilogue has no residual and is no GLU.
    PackedRows multiply(Context& context, const PackedRows& x, const PackedMatrix& next,
                        const Epilogue& epilogue) const;

    /// Packs and multiplies.
    void multiply(Context& context, const float* x, size_t x_stride, int m, float* y,
                  size_t y_stride, const Epilogue& epilogue) const;

    /// The same on the calling thread alone, with scratch from `arena`: for use inside tasks.
    void multiply_serial(const KernelTable& kernels, Arena& arena, const float* x, size_t x_stride,
                         int m, float* y, size_t y_stride, const Epilogue& epilogue) const;

  private:
    void pack_weights(std::span<const MatrixRows> matrices);
    PackedRows allocate(const GemmKernel& gemm, Arena& arena, int m) const;
    void pack_into(Context& context, const float* x, size_t x_stride,
                   const PackedRows& packed) const;
    GemmArgs product(const PackedRows& x, const Epilogue& epilogue) const;
    /// Multiplies in tasks of whole units of panels.
    void run(Context& context, const PackedRows& x, const GemmArgs& whole, int unit) const;
    size_t tasks(const Context& context, int m, size_t per_thread) const;
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
