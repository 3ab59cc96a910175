// Packed keys, values and positions of attention: panels of floats, halves or bytes, and their
// products with packed rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/math.inl"
#include "kernels/panels.h"
#include "kernels/tiles.inl"

namespace {

using parrotlet::panel_offset;
using parrotlet::panels_of;
using parrotlet::quant_offset;

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

/// Copies `panels` panels of a tile side by side into out, whose rows are `stride` apart.
inline void unpack_tile(const Tile& tile, int rows, int panels, float* out, size_t stride) {
    for (int p = 0; p < panels; p++)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < kPanel; v += kWidth)
                Simd::store(out + r * stride + p * kPanel + v, Simd::load(tile[p][r] + v));
}

// ---- one row

/// Sums that are on their way at once: fewer than these would wait for each other.
constexpr int kRowPanels = 8 / kVectors > 0 ? 8 / kVectors : 1;

/// One packed row times P panels: to the bit what multiply_tile gives. As many panels from `next`
/// on are fetched.
template <int P, typename W>
inline void multiply_row(const float* a, const W* w, size_t panel_stride, int depth, const W* next,
                         float* out) {
    constexpr int kLineSteps = kCacheLine / (sizeof(W) * kPanel);  // that read one cache line
    F acc[P * kVectors];
    for (F& sum : acc) sum = Simd::zero();
    for (int i = 0; i < depth; i++, a += Simd::kRowsF32, w += kPanel, next += kPanel) {
        if (i % kLineSteps == 0)
            for (int p = 0; p < P; p++) __builtin_prefetch(next + p * panel_stride, 0, 2);
        const F value = Simd::set(*a);
        for (int p = 0; p < P; p++)
            for (int v = 0; v < kVectors; v++)
                acc[p * kVectors + v] = Simd::fma(
                    value, load_weight(w + p * panel_stride + v * kWidth), acc[p * kVectors + v]);
    }
    for (int v = 0; v < P * kVectors; v++) Simd::store(out + v * kWidth, acc[v]);
}

/// The same for any number of panels.
template <int P = kRowPanels, typename W>
inline void multiply_row_panels(const float* a, const W* w, size_t panel_stride, int count,
                                int depth, const W* next, float* out) {
    for (; count >= P; count -= P, w += P * panel_stride, out += P * kPanel) {
        multiply_row<P>(a, w, panel_stride, depth, next, out);
        next += P * panel_stride;
    }
    if constexpr (P > 1) multiply_row_panels<P - 1>(a, w, panel_stride, count, depth, next, out);
}

/// Asks for as much of the panels from `next` on, unless it is null, as a tile of panels reads with
/// each step of its own, which are at `offset`.
inline Ahead same_of(const std::byte* next, size_t offset, size_t panel_stride,
                     size_t bytes_per_step) {
    if (next == nullptr) return {};
    return {next + offset, panel_stride, bytes_per_step};
}

// ---- the two kinds of panels

constexpr float kLargestHalf = 65504.0f, kLargestFloat = 3.4e38f;

inline void store_weight(float* p, F v) { Simd::store(p, v); }
inline void store_weight(uint16_t* p, F v) {
    const F largest = Simd::set(kLargestHalf);
    Simd::store_half(p, Simd::max(Simd::min(v, largest), Simd::sub(Simd::zero(), largest)));
}

/// Panels of floats, or of halves, which saturate.
template <typename W>
struct FloatPanels {
    static constexpr int kRows = Simd::kRowsF32;  // of a packed group
    static constexpr int kUnit = kPanel;          // runs of keys start at a multiple of it
    static constexpr bool kRowScales = false;     // rows of values have a scale each
    static constexpr bool kFetchesNext = true;    // a product brings all of the next panels
    using InUse = NothingInUse;

    static int padded(int depth) { return depth; }
    static size_t panel_bytes(int depth) { return sizeof(W) * kPanel * depth; }
    static size_t group_bytes(int depth) { return f32_group_bytes(depth); }
    static void pack_rows(const float* x, size_t stride, int rows, int depth, std::byte* group) {
        pack_columns_f32(x, stride, rows, 0, depth, group);
    }

    /// out[rows, panels * kPanel] = group * panels^T, panels `panel_stride` bytes apart. Those from
    /// `next` on, which may be null, are fetched meanwhile.
    static void multiply(const std::byte* group, int rows, const std::byte* panels,
                         size_t panel_stride, int count, int depth, float* out, size_t stride,
                         const std::byte* next = nullptr) {
        Tile tile;
        const auto* a = reinterpret_cast<const float*>(group);
        if (rows == 1)
            return multiply_row_panels(
                a, reinterpret_cast<const W*>(panels), panel_stride / sizeof(W), count, depth,
                reinterpret_cast<const W*>(next != nullptr ? next : panels), out);
        for (int panel = 0; panel < count; panel += Simd::kPanelsF32) {
            const auto* w = reinterpret_cast<const W*>(panels + panel * panel_stride);
            const int n = count - panel < Simd::kPanelsF32 ? count - panel : Simd::kPanelsF32;
            multiply_panels(rows, a, w, panel_stride / sizeof(W), depth, n, tile,
                            same_of(next, panel * panel_stride, panel_stride, sizeof(W) * kPanel));
            unpack_tile(tile, rows, n, out + panel * kPanel, stride);
        }
    }

    /// Writes x[depth] as column `column` of panels of that depth. The columns after it are zero
    /// where it is the first of a panel.
    static void put_column(const float* x, int column, int depth, std::byte* panels) {
        W* out = parrotlet::panel_column(reinterpret_cast<W*>(panels), column, depth);
        if (column % kPanel == 0) std::memset(out, 0, panel_bytes(depth));
        for_lanes(depth, [&](int i, int lanes) {
            W values[kWidth];
            store_weight(values, load_lanes(x + i, lanes));
            for (int lane = 0; lane < lanes; lane++) out[panel_offset(i + lane, 0)] = values[lane];
        });
    }

    /// Writes x[columns] as row `index` of a panel.
    static void put_row(const float* x, int columns, float, int index, std::byte* panel) {
        W* row = reinterpret_cast<W*>(panel) + panel_offset(index, 0);
        for (int c = 0; c < kPanel; c += kWidth) {
            const int lanes = columns - c < kWidth ? columns - c : kWidth;
            store_weight(row + c, lanes > 0 ? load_lanes(x + c, lanes) : Simd::zero());
        }
    }

    /// Moves the `left` rows of a panel after its first `drop` to its beginning.
    static void drop_rows(int drop, int left, std::byte* panel) {
        std::memmove(panel, panel + panel_bytes(drop), panel_bytes(left));
    }
};

/// Panels of bytes. Keys have a scale for each piece of them. Values have one for each row, which
/// is a key's, since the rows of a stream come one after the other: it is no part of a product over
/// rows, and multiplies the other operand.
struct BytePanels {
    using Panel = parrotlet::PanelBytes;
    static constexpr int kRows = kGroupRowsQ8;
    static constexpr int kUnit = Panel::kDepth;
    static constexpr bool kRowScales = true;
    static constexpr bool kFetchesNext = !kByteTiles;  // whose few steps bring their own panels
    using InUse = ProductInUse<Panel>;

    static int padded(int depth) { return round_up(depth, Panel::kDepth); }
    static size_t panel_bytes(int depth) { return sizeof(Panel) * pieces_of<Panel>(depth); }
    static size_t group_bytes(int depth) { return quant_group_bytes<Panel>(padded(depth)); }
    /// Rows of x go on with zeros to the padded depth.
    static void pack_rows(const float* x, size_t stride, int rows, int depth, std::byte* group) {
        pack_columns_quant<Panel>(x, stride, rows, 0, padded(depth), group);
        finish_group_quant<Panel>(padded(depth), group);
    }

    static void multiply(const std::byte* group, int rows, const std::byte* panels,
                         size_t panel_stride, int count, int depth, float* out, size_t stride,
                         const std::byte* next = nullptr) {
        Tile tile;
        const auto& a = *reinterpret_cast<const QuantGroup*>(group);
        for (int panel = 0; panel < count; panel += Simd::kPanelsQ8) {
            const auto* w = reinterpret_cast<const Panel*>(panels + panel * panel_stride);
            const int n = count - panel < Simd::kPanelsQ8 ? count - panel : Simd::kPanelsQ8;
            multiply_panels_quant(rows, a, w, panel_stride / sizeof(Panel), pieces_of<Panel>(depth),
                                  n, tile,
                                  same_of(next, panel * panel_stride, panel_stride,
                                          sizeof(Panel) / kPieceSteps<Panel>),
                                  !kFetchesNext && next != nullptr);
            unpack_tile(tile, rows, n, out + panel * kPanel, stride);
        }
    }

    /// As of FloatPanels.
    static void put_column(const float* x, int column, int depth, std::byte* panels) {
        auto* piece = reinterpret_cast<Panel*>(panels + column / kPanel * panel_bytes(depth));
        column %= kPanel;
        if (column == 0) std::memset(static_cast<void*>(piece), 0, panel_bytes(depth));
        for (int first = 0; first < depth; first += Panel::kDepth, piece++) {
            const int n = depth - first < Panel::kDepth ? depth - first : Panel::kDepth;
            alignas(64) uint8_t quants[Panel::kDepth] = {};
            const float scale = scale_of(x + first, n);
            piece->scales[0][column] = scale;
            offset_bytes(x + first, n, scale, quants);
            for (int i = 0; i < n; i += 4)
                std::memcpy(piece->quants + quant_offset(i, column), quants + i, 4);
        }
    }

    /// As of FloatPanels, with the row's scale.
    static void put_row(const float* x, int columns, float scale, int index, std::byte* panel) {
        auto& piece = reinterpret_cast<Panel*>(panel)[index / Panel::kDepth];
        index %= Panel::kDepth;
        if (index == 0)
            for (float& one : piece.scales[0]) one = 1.0f;
        alignas(64) uint8_t quants[kPanel] = {};
        offset_bytes(x, columns, scale, quants);
        // A row is a byte of the words of its four rows; those after it are zero.
        const int shift = index % 4 * 8;
        const uint32_t before = (uint32_t{1} << shift) - 1;
        uint32_t words[kPanel];
        uint8_t* out = piece.quants + quant_offset(index / 4 * 4, 0);
        std::memcpy(words, out, sizeof words);
        for (int c = 0; c < kPanel; c++)
            words[c] = (words[c] & before) | uint32_t{quants[c]} << shift;
        std::memcpy(out, words, sizeof words);
    }

    /// As of FloatPanels, for whole pieces of kPanel rows, which lie together.
    static void drop_rows(int drop, int left, std::byte* panel) {
        const auto rows = [panel](int first) {
            auto* piece = reinterpret_cast<Panel*>(panel) + first / Panel::kDepth;
            return piece->quants + quant_offset(first % Panel::kDepth, 0);
        };
        for (int r = 0; r < left; r += kPanel)
            std::memmove(rows(r), rows(r + drop), sizeof(uint8_t) * kPanel * kPanel);
    }

    /// The scale of n values, which is finite.
    static float scale_of(const float* values, int n) {
        const float scale = byte_scale(values, n), most = kLargestFloat / 127.0f;
        return scale < most ? scale : most;
    }

  private:
    /// Quants of n values, offset by 128, and of others up to the next multiple of kWidth.
    static void offset_bytes(const float* values, int n, float scale, uint8_t* quants) {
        const F inverse = Simd::set(1.0f / scale), most = Simd::set(127.0f);
        for_lanes(n, [&](int i, int lanes) {
            const F scaled = Simd::mul(load_lanes(values + i, lanes), inverse);
            int8_t bytes[kWidth];
            Simd::store_bytes(bytes, Simd::max(Simd::min(scaled, most), Simd::set(-127.0f)));
            for (int lane = 0; lane < kWidth; lane++)
                quants[i + lane] = static_cast<uint8_t>(bytes[lane] + 128);
        });
    }
};

// ---- keys, values and positions of a head

template <typename Panels>
size_t key_bytes(int rows, int d) {
    return panels_of(rows) * Panels::panel_bytes(d);
}

/// Of the scales of so many rows of values.
template <typename Panels>
constexpr size_t row_scale_bytes(int rows) {
    return Panels::kRowScales ? sizeof(float) * round_up(rows, kPanel) : 0;
}

/// They follow the panels.
template <typename Panels, typename Byte>
auto* row_scales(Byte* values, int capacity, int d) {
    using Scale = std::conditional_t<std::is_const_v<Byte>, const float, float>;
    return reinterpret_cast<Scale*>(values + panels_of(d) * Panels::panel_bytes(capacity));
}

template <typename Panels>
size_t value_bytes(int rows, int d) {
    return panels_of(d) * Panels::panel_bytes(rows) + row_scale_bytes<Panels>(rows);
}

template <typename Panels>
void put_keys(const float* x, size_t stride, int rows, int d, int first, std::byte* keys) {
    for (int r = 0; r < rows; r++, x += stride) Panels::put_column(x, first + r, d, keys);
}

template <typename Panels>
void put_values(const float* x, size_t stride, int rows, int d, int first, int capacity,
                std::byte* values) {
    const size_t panel = Panels::panel_bytes(capacity);
    for (int r = first; r < first + rows; r++, x += stride) {
        float scale = 1.0f;
        if constexpr (Panels::kRowScales)
            row_scales<Panels>(values, capacity, d)[r] = scale = Panels::scale_of(x, d);
        std::byte* out = values;
        for (int c = 0; c < d; c += kPanel, out += panel)
            Panels::put_row(x + c, d - c < kPanel ? d - c : kPanel, scale, r, out);
    }
}

template <typename Panels>
void drop_rows(int drop, int left, int d, int capacity, std::byte* keys, std::byte* values) {
    std::memmove(keys, keys + key_bytes<Panels>(drop, d), key_bytes<Panels>(left, d));
    if constexpr (Panels::kRowScales) {
        float* scales = row_scales<Panels>(values, capacity, d);
        std::memmove(scales, scales + drop, sizeof(float) * left);
    }
    for (int c = 0; c < d; c += kPanel, values += Panels::panel_bytes(capacity))
        Panels::drop_rows(drop, left, values);
}

}  // namespace
