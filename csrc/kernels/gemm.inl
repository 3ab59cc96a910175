// kernels/gemm.h: what happens to finished tiles, and the loops over a product.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/math.inl"
#include "kernels/tiles.inl"

namespace {

using parrotlet::Activation;
using parrotlet::Epilogue;
using parrotlet::GemmArgs;
using parrotlet::kPanel;
using parrotlet::kSpan;

// ---- what happens to a finished tile

template <Activation A>
inline F activate(F v) {
    if constexpr (A == Activation::relu) return Simd::max(v, Simd::zero());
    if constexpr (A == Activation::silu) return Simd::mul(v, sigmoid(v));
    return v;
}

/// Where a tile goes: to C or a part of it, at the tile's first row and column.
struct Place {
    float* c;
    size_t stride;
    const float* residual;  ///< null without one
};

/// Applies the epilogue to one panel of a tile, whose first column is `column`, and stores it.
template <Activation A, bool Residual>
void store_panel(const GemmArgs& args, const float (*tile)[kPanel], int rows, int column,
                 const Place& place) {
    const Epilogue& e = args.epilogue;
    const int columns = args.n - column < kPanel ? args.n - column : kPanel;
    const F scale = Simd::set(e.scale);
    for_lanes(columns, [&](int i, int lanes) {
        const F bias = e.bias != nullptr ? load_lanes(e.bias + column + i, lanes) : Simd::zero();
        size_t at = i;
        for (int r = 0; r < rows; r++, at += place.stride) {
            F v = activate<A>(Simd::add(Simd::load(tile[r] + i), bias));
            if constexpr (Residual) v = Simd::fma(v, scale, load_lanes(place.residual + at, lanes));
            store_lanes(place.c + at, v, lanes);
        }
    });
}

template <Activation A>
void store_panels(const GemmArgs& args, const Tile& tile, int rows, int panel, int panels,
                  Place place) {
    for (int p = 0; p < panels; p++, place.c += kPanel) {
        const int column = (panel + p) * kPanel;
        if (place.residual != nullptr) {
            store_panel<A, true>(args, tile[p], rows, column, place);
            place.residual += kPanel;
        } else {
            store_panel<A, false>(args, tile[p], rows, column, place);
        }
    }
}

/// value * sigmoid(gate); biases of the gates follow those of the values.
void store_glu(const GemmArgs& args, const Tile& tile, int rows, int column, const Place& place) {
    const float* bias = args.epilogue.bias;
    const int columns = args.n - column < kPanel ? args.n - column : kPanel;
    for (int r = 0; r < rows; r++) {
        float* c = place.c + r * place.stride;
        for_lanes(columns, [&](int i, int lanes) {
            F value = Simd::load(tile[0][r] + i), gate = Simd::load(tile[1][r] + i);
            if (bias != nullptr) {
                value = Simd::add(value, load_lanes(bias + column + i, lanes));
                gate = Simd::add(gate, load_lanes(bias + args.n + column + i, lanes));
            }
            store_lanes(c + i, Simd::mul(value, sigmoid(gate)), lanes);
        });
    }
}

void store_tile(const GemmArgs& args, const Tile& tile, int rows, int panel, int panels,
                const Place& place) {
    switch (args.epilogue.activation) {
        case Activation::glu: return store_glu(args, tile, rows, panel / 2 * kPanel, place);
        case Activation::relu:
            return store_panels<Activation::relu>(args, tile, rows, panel, panels, place);
        case Activation::silu:
            return store_panels<Activation::silu>(args, tile, rows, panel, panels, place);
        case Activation::none: break;
    }
    store_panels<Activation::none>(args, tile, rows, panel, panels, place);
}

// ---- the loops over a product: panels outside, so that a panel stays in cache for all rows

/// Fetches what a tile will be stored to, and what it is often added to, while it is computed.
inline void fetch(const float* c, size_t stride, int rows, int panels) {
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) __builtin_prefetch(c + r * stride + p * kPanel, 1);
}

/// Computes a product by multiply(panel, panels, group, rows, ahead, tile), which fills a tile of
/// `step` panels or fewer.
template <int kGroupRows, typename Multiply>
inline void store_product(const GemmArgs& args, int step, const TileReads& reads,
                          Multiply multiply) {
    Tile tile;
    const int groups = (args.m + kGroupRows - 1) / kGroupRows;
    const bool glu = args.epilogue.activation == Activation::glu;
    for (int panel = args.panel_begin; panel < args.panel_end; panel += step) {
        const int panels = args.panel_end - panel < step ? args.panel_end - panel : step;
        const int column = (glu ? panel / 2 : panel) * kPanel;
        PanelsAhead ahead(args, reads, panel, panel + panels, groups);
        for (int row = 0, group = 0; row < args.m; row += kGroupRows, group++) {
            const int rows = args.m - row < kGroupRows ? args.m - row : kGroupRows;
            const size_t at = static_cast<size_t>(row) * args.c_stride + column;
            const float* residual = args.epilogue.residual;
            fetch(args.c + at, args.c_stride, rows, glu ? 1 : panels);
            multiply(panel, panels, group, rows, ahead.of_tile(panel, panels), tile);
            store_tile(args, tile, rows, panel, panels,
                       {.c = args.c + at,
                        .stride = args.c_stride,
                        .residual = residual == nullptr ? nullptr : residual + at});
        }
    }
}

/// The same for results that are packed for another product, a span at a time.
template <int kGroupRows, typename Multiply>
inline void pack_product(const GemmArgs& args, int step, const TileReads& reads,
                         Multiply multiply) {
    constexpr int kSpanPanels = kSpan / kPanel;
    const int groups = (args.m + kGroupRows - 1) / kGroupRows;
    Tile tile;
    alignas(64) float span[kGroupRows][kSpan];
    for (int first = args.panel_begin; first < args.panel_end; first += kSpanPanels) {
        const int end = args.panel_end - first < kSpanPanels ? args.panel_end : first + kSpanPanels;
        const int column = first * kPanel;
        const int columns = args.n - column < kSpan ? args.n - column : kSpan;
        PanelsAhead ahead(args, reads, first, end, groups);
        for (int row = 0, group = 0; row < args.m; row += kGroupRows, group++) {
            const int rows = args.m - row < kGroupRows ? args.m - row : kGroupRows;
            for (int panel = first; panel < end; panel += step) {
                const int panels = end - panel < step ? end - panel : step;
                multiply(panel, panels, group, rows, ahead.of_tile(panel, panels), tile);
                store_tile(args, tile, rows, panel, panels,
                           {.c = span[0] + (panel - first) * kPanel,
                            .stride = kSpan,
                            .residual = nullptr});
            }
            args.packed.pack_columns(span[0], kSpan, rows, column, columns,
                                     args.packed.groups + group * args.packed.group_bytes);
        }
    }
}

template <int kGroupRows, int kTilePanels, typename Multiply>
inline void run_product(const GemmArgs& args, const TileReads& reads, Multiply multiply) {
    if (args.packed.pack_columns != nullptr)
        return pack_product<kGroupRows>(args, kTilePanels, reads, multiply);
    const int panels = args.epilogue.activation == Activation::glu ? 2 : kTilePanels;
    store_product<kGroupRows>(args, panels, reads, multiply);
}

template <typename W>
void multiply_float(const GemmArgs& args) {
    const size_t panel_stride = static_cast<size_t>(args.k) * kPanel;
    const size_t group_floats = static_cast<size_t>(args.k) * Simd::kRowsF32;
    const auto* a = reinterpret_cast<const float*>(args.a);
    const auto* w = reinterpret_cast<const W*>(args.w);
    run_product<Simd::kRowsF32, Simd::kPanelsF32>(
        args,
        {.panel_bytes = panel_stride * sizeof(W),
         .at_once = Simd::kPanelsF32,
         .steps = args.k,
         .times = 1,
         .nearby = Simd::kPanelsF32 == 2 || sizeof(W) == sizeof(float)},
        [&](int panel, int panels, int group, int rows, Ahead ahead, Tile& tile) {
            multiply_panels(rows, a + group * group_floats, w + panel * panel_stride, panel_stride,
                            args.k, panels, tile, ahead);
        });
}

void multiply_f32(const GemmArgs& args) { multiply_float<float>(args); }
void multiply_f16(const GemmArgs& args) { multiply_float<uint16_t>(args); }

template <typename Panel>
void multiply_quant(const GemmArgs& args) {
    const int pieces = pieces_of<Panel>(args.k);
    const size_t group_bytes = quant_group_bytes<Panel>(args.k);
    const auto* w = reinterpret_cast<const Panel*>(args.w);
    const bool one_group = args.m <= kGroupRowsQ8;
    [[maybe_unused]] const ProductInUse<Panel> in_use(args.m);
    run_product<kGroupRowsQ8, Simd::kPanelsQ8>(
        args, quant_reads<Panel>(pieces),
        [&](int panel, int panels, int group, int rows, Ahead ahead, Tile& tile) {
            const auto& a = *reinterpret_cast<const QuantGroup*>(args.a + group * group_bytes);
            multiply_panels_quant(rows, a, w + static_cast<size_t>(panel) * pieces, pieces, pieces,
                                  panels, tile, ahead, one_group);
        });
}

constexpr parrotlet::GemmKernel f32_kernel(void (*multiply)(const GemmArgs&)) {
    return {Simd::kRowsF32, f32_group_bytes, pack_columns_f32, finish_group_f32, multiply};
}

template <typename Panel>
constexpr parrotlet::GemmKernel quant_kernel() {
    return {kGroupRowsQ8, quant_group_bytes<Panel>, pack_columns_quant<Panel>,
            finish_group_quant<Panel>, multiply_quant<Panel>};
}

}  // namespace
