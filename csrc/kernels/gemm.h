// Matrix product C[M, N] = A[M, K] * W[N, K]^T on packed operands, with a fused epilogue.
//
// Weights are packed once, when a model is loaded, into panels of kPanel output columns; the
// layout is the same for every instruction set (kernels/panels.h):
//   f32, f16         [N / kPanel][K][kPanel] values
//   quantised types  [N / kPanel][K / kDepth] of QuantPanel: kDepth values of kPanel columns
// Missing columns of the last panel are zero, and so is what K lacks to a multiple of kDepth.
//
// Activations are packed for each product into groups of rows, in a layout private to the
// instruction set: [group][K][rows] floats, or, for quantised weights, signed bytes with a scale
// per row and span of blocks (quantised here). A product can pack its own results for the next one,
// span by span, while they are in the first-level cache.
#pragma once

#include <cstddef>

#include "kernels/panels.h"

namespace parrotlet {

/// What is done to a product before it is stored.
enum class Activation { none, relu, silu, glu };

struct Epilogue {
    const float* bias = nullptr;  ///< [N], added first
    Activation activation = Activation::none;
    const float* residual = nullptr;  ///< [M, N] with C's row stride: C = residual + scale * y;
                                      ///< may be C itself
    float scale = 1.0f;
};

/// Packs columns [first, first + count) of up to rows_per_group rows into one group; x is the first
/// of these values, and its rows are `stride` elements apart. `first` is a multiple of kSpan, and
/// so is `count` but at the end of the rows.
using PackColumns = void (*)(const float* x, size_t stride, int rows, int first, int count,
                             std::byte* group);

/// Results that go to the operand of another product, of the same rows per group.
struct PackedResults {
    PackColumns pack_columns = nullptr;  ///< of the other product; null: results go to C
    std::byte* groups = nullptr;
    size_t group_bytes = 0;
};

struct GemmArgs {
    const std::byte* a = nullptr;  ///< packed by the same table's functions
    const std::byte* w = nullptr;  ///< packed panels
    float* c = nullptr;
    size_t c_stride = 0;  ///< elements from one row of C to the next
    int m = 0, n = 0, k = 0;
    int panel_begin = 0, panel_end = 0;  ///< the panels to compute
    int panel_after = -1;  ///< the one that is likely computed next, to be fetched; -1: unknown
    Epilogue epilogue;
    PackedResults packed;  ///< instead of c: no residual, no GLU, panel_begin starts a span
};

/// The functions of one product type. With Activation::glu the panels alternate between value and
/// gate columns (so W has 2 N columns), and C[:, n] = value * sigmoid(gate), `panel_begin` even.
struct GemmKernel {
    int rows_per_group;
    /// Bytes of one packed group of rows of length k.
    size_t (*group_bytes)(int k);
    PackColumns pack_columns;
    /// Makes a group of rows of length k ready once all its columns have been packed, in any order.
    void (*finish_group)(int k, std::byte* group);
    void (*multiply)(const GemmArgs& args);
};

}  // namespace parrotlet
