// Where a value lies in the panels of the right operand of a product: weights, keys and values.
//
// Functions have internal linkage: this is compiled for several instruction sets, and the linker
// must not choose one of them for all.
#pragma once

#include <cstddef>
#include <cstdint>

namespace parrotlet {

constexpr int kPanel = 16;  ///< output columns per panel
constexpr int kBlock = 32;  ///< values along K that share a scale in files

/// Consecutive values of a row of activations, and of a row of q8_0 weights once it is packed, that
/// share a scale. With a scale for each block, the products of scales would take a fifth of the
/// time on the widest instruction sets, and half of it with matrix tiles.
constexpr int kSpan = 128;

/// The same of queries, keys and values of attention: heads are no deeper than 64 or 128.
constexpr int kAttentionBlock = 64;

/// Panels that `columns` columns fall into.
static constexpr size_t panels_of(size_t columns) { return (columns + kPanel - 1) / kPanel; }

/// Of a value in a panel of floats or halves, [depth][kPanel].
static constexpr size_t panel_offset(size_t index, size_t column) {
    return index * kPanel + column;
}

/// The column `column` of panels of `depth` values, where panel_offset(i, 0) finds value i.
template <typename T>
static constexpr T* panel_column(T* panels, size_t column, size_t depth) {
    return panels + column / kPanel * kPanel * depth + column % kPanel;
}

/// Of a quant in a panel of bytes, [depth / 4][kPanel][4]: four consecutive values of one column
/// lie together, as the byte dot-product instructions want them.
static constexpr size_t quant_offset(size_t index, size_t column) {
    return (index / 4 * kPanel + column) * 4 + index % 4;
}

/// Scales of a piece of a panel, floats or halves, and the mins that some types have.
template <typename Scale, int Scales, bool HasMin>
struct PanelScales {
    Scale scales[Scales][kPanel];
    Scale mins[Scales][kPanel];
};
template <typename Scale, int Scales>
struct PanelScales<Scale, Scales, false> {
    Scale scales[Scales][kPanel];
};

/// `Depth` values of each column of a panel of quantised weights. Quants are unsigned; a weight is
/// scale * quant - min, where scale and min belong to `Scales` equal parts of the depth.
///
/// `Bits` is 8 or 4. Quants are where quant_offset() says. With 4 bits, the second half of them is
/// in the high nibbles of the first half's bytes.
///
/// Without `HasMin` the quants are offset by 128, which the kernels undo with the sum of the
/// activations: a signed quant becomes unsigned that way, as those instructions take one unsigned
/// and one signed operand.
template <int Depth, int Bits, int Scales, bool HasMin, typename Scale = uint16_t>
struct QuantPanel : PanelScales<Scale, Scales, HasMin> {
    static constexpr int kDepth = Depth;
    static constexpr int kBits = Bits;
    static constexpr int kScales = Scales;
    static constexpr bool kHasMin = HasMin;

    uint8_t quants[Depth * kPanel * Bits / 8];
};

/// q8_0, whose blocks are brought to the largest scale of a span. Scales are floats to fill a cache
/// line, so that the quants, too, start at one.
using PanelQ8_0 = QuantPanel<kSpan, 8, 1, false, float>;
/// Keys and values of attention.
using PanelBytes = QuantPanel<kAttentionBlock, 8, 1, false, float>;
using PanelQ4 = QuantPanel<kBlock, 4, 1, true>;  ///< q4_0 and q4_k
using PanelQ5 = QuantPanel<kBlock, 8, 1, true>;  ///< q5_k
using PanelQ6 = QuantPanel<kBlock, 8, 2, true>;  ///< q6_k

}  // namespace parrotlet
