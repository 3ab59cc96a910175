// Packed keys, values and positions of attention: panels of floats, halves or bytes, and their
// products with packed rows.
#pragma once

#include <cstddef>
#include <cstdint>

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
    constexpr int kLineSteps = 64 / (sizeof(W) * kPanel);  // that read one cache line
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

/// Asks for as much of the panels from `next` on, unless it is null, as a tile of panels of W reads
/// of its own, which are at `offset`.
template <typename W>
inline Ahead same_of(const std::byte* next, size_t offset, size_t panel_stride) {
    if (next == nullptr) return {};
    return {next + offset, panel_stride, sizeof(W) * kPanel};
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
                            same_of<W>(next, panel * panel_stride, panel_stride));
            unpack_tile(tile, rows, n, out + panel * kPanel, stride);
        }
    }

    /// One panel whose column c is column c of x[depth, columns].
    static void pack_panel(const float* x, size_t stride, int columns, int depth, std::byte* out) {
        auto* row = reinterpret_cast<W*>(out);
        for (int i = 0; i < depth; i++, x += stride, row += kPanel) put_row(x, columns, row);
    }
    /// The same from x[columns, depth].
    static void pack_panel_transposed(const float* x, size_t stride, int columns, int depth,
                                      std::byte* out) {
        auto* row = reinterpret_cast<W*>(out);
        for (int i = 0; i < depth; i++, row += kPanel) {
            float values[kPanel] = {};
            for (int c = 0; c < columns; c++) values[c] = x[c * stride + i];
            put_row(values, kPanel, row);
        }
    }

    /// Writes x[depth] as column `column` of panels of that depth.
    static void put_column(const float* x, int column, int depth, std::byte* panels) {
        W* out = parrotlet::panel_column(reinterpret_cast<W*>(panels), column, depth);
        for_lanes(depth, [&](int i, int lanes) {
            W values[kWidth];
            store_weight(values, load_lanes(x + i, lanes));
            for (int lane = 0; lane < lanes; lane++) out[panel_offset(i + lane, 0)] = values[lane];
        });
    }

    /// Writes x[columns] as a row of a panel.
    static void put_row(const float* x, int columns, W* row) {
        for (int c = 0; c < kPanel; c += kWidth) {
            const int lanes = columns - c < kWidth ? columns - c : kWidth;
            store_weight(row + c, lanes > 0 ? load_lanes(x + c, lanes) : Simd::zero());
        }
    }
};

struct BytePanels {
    using Panel = parrotlet::PanelBytes;
    static constexpr int kRows = kGroupRowsQ8;
    using InUse = ProductInUse<Panel>;
    static constexpr int kUnit = Panel::kDepth;

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
                         const std::byte* = nullptr) {
        Tile tile;
        const auto& a = *reinterpret_cast<const QuantGroup*>(group);
        for (int panel = 0; panel < count; panel += Simd::kPanelsQ8) {
            const auto* w = reinterpret_cast<const Panel*>(panels + panel * panel_stride);
            const int n = count - panel < Simd::kPanelsQ8 ? count - panel : Simd::kPanelsQ8;
            multiply_panels_quant(rows, a, w, panel_stride / sizeof(Panel), pieces_of<Panel>(depth),
                                  n, tile);
            unpack_tile(tile, rows, n, out + panel * kPanel, stride);
        }
    }

    static void pack_panel(const float* x, size_t stride, int columns, int depth, std::byte* out) {
        pack_blocks(depth, out, [&](int first, int count, float (*values)[kPanel]) {
            for (int i = 0; i < count; i++)
                for (int c = 0; c < columns; c++) values[i][c] = x[(first + i) * stride + c];
        });
    }
    static void pack_panel_transposed(const float* x, size_t stride, int columns, int depth,
                                      std::byte* out) {
        pack_blocks(depth, out, [&](int first, int count, float (*values)[kPanel]) {
            for (int c = 0; c < columns; c++)
                for (int i = 0; i < count; i++) values[i][c] = x[c * stride + first + i];
        });
    }

  private:
    /// gather(first, count, values) writes `count` values of each column, from depth `first` on.
    template <typename Gather>
    static void pack_blocks(int depth, std::byte* out, Gather gather) {
        auto* block = reinterpret_cast<Panel*>(out);
        for (int first = 0; first < depth; first += Panel::kDepth, block++) {
            alignas(64) float values[Panel::kDepth][kPanel] = {};
            gather(first, depth - first < Panel::kDepth ? depth - first : Panel::kDepth, values);
            for (int c = 0; c < kPanel; c += kWidth) pack_columns(values, c, *block);
        }
    }

    /// kWidth columns of a block, each with its own scale.
    static void pack_columns(const float (*values)[kPanel], int column, Panel& block) {
        F largest = Simd::zero();
        for (int i = 0; i < Panel::kDepth; i++)
            largest = Simd::max(largest, Simd::abs(Simd::load(values[i] + column)));
        const F scale = Simd::max(
            Simd::mul(Simd::min(largest, Simd::set(kLargestFloat)), Simd::set(1.0f / 127.0f)),
            Simd::set(kSmallestScale));
        Simd::store(block.scales[0] + column, scale);
        const F inverse = Simd::div(Simd::set(1.0f), scale);
        for (int i = 0; i < Panel::kDepth; i++) {
            const F scaled = Simd::mul(Simd::load(values[i] + column), inverse);
            int8_t quants[kWidth];
            Simd::store_bytes(quants,
                              Simd::max(Simd::min(scaled, Simd::set(127.0f)), Simd::set(-127.0f)));
            for (int c = 0; c < kWidth; c++)
                block.quants[quant_offset(i, column + c)] = static_cast<uint8_t>(quants[c] + 128);
        }
    }
};

template <typename Panels>
size_t key_bytes(int rows, int d) {
    return round_up(rows, Panels::kUnit) / kPanel * Panels::panel_bytes(d);
}

template <typename Panels>
size_t value_bytes(int rows, int d) {
    return panels_of(d) * Panels::panel_bytes(rows);
}

template <typename Panels>
void pack_keys(const float* x, size_t stride, int rows, int d, std::byte* out) {
    const int padded_rows = round_up(rows, Panels::kUnit);
    for (int first = 0; first < padded_rows; first += kPanel, out += Panels::panel_bytes(d)) {
        const int present = rows - first < kPanel ? rows - first : kPanel;
        Panels::pack_panel_transposed(x + first * stride, stride, present, d, out);
    }
}

template <typename Panels>
void pack_values(const float* x, size_t stride, int rows, int capacity, int d, std::byte* out) {
    for (int first = 0; first < d; first += kPanel, out += Panels::panel_bytes(capacity))
        Panels::pack_panel(x + first, stride, d - first < kPanel ? d - first : kPanel, rows, out);
}

/// Rows `first`, first + 1, ... of packed keys.
template <typename W>
void put_keys(const float* x, size_t stride, int rows, int d, int first, std::byte* keys) {
    for (int r = 0; r < rows; r++, x += stride) FloatPanels<W>::put_column(x, first + r, d, keys);
}

/// Rows `first`, first + 1, ... of packed values that have room for `capacity`.
template <typename W>
void put_values(const float* x, size_t stride, int rows, int d, int first, int capacity,
                std::byte* values) {
    for (int c = 0; c < d; c += kPanel, values += FloatPanels<W>::panel_bytes(capacity)) {
        auto* row = reinterpret_cast<W*>(values) + panel_offset(first, 0);
        for (int r = 0; r < rows; r++, row += kPanel)
            FloatPanels<W>::put_row(x + r * stride + c, d - c < kPanel ? d - c : kPanel, row);
    }
}

}  // namespace
