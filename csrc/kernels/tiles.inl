// Register tiles of the matrix products of kernels/gemm.h and kernels/attention.h, and the packing
// of activations for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/ahead.inl"
#include "kernels/gemm.h"
#include "kernels/math.inl"
#include "kernels/panels.h"

namespace {

using parrotlet::kBlock;
using parrotlet::kPanel;
using parrotlet::kSpan;
using parrotlet::quant_offset;

constexpr int kVectors = kPanel / kWidth;  // vectors across one panel

/// Whether the instruction set multiplies whole matrix tiles of bytes (kernels/byte_tiles.inl).
#if defined(PARROTLET_BYTE_TILES)
constexpr bool kByteTiles = true;
constexpr int kGroupRowsQ8 = Simd::kTileRows;
#else
constexpr bool kByteTiles = false;
constexpr int kGroupRowsQ8 = Simd::kRowsQ8;
#endif

/// Results of one register tile, per panel: [kMaxPanels][rows][kPanel].
constexpr int kMaxRows = Simd::kRowsF32 > kGroupRowsQ8 ? Simd::kRowsF32 : kGroupRowsQ8;
using Tile = float[2][kMaxRows][kPanel];

/// Calls body<R>() with the number of rows, which is known only at run time.
template <int Most, typename Body>
inline void with_rows(int rows, Body body) {
    if constexpr (Most > 0) {
        if (rows == Most)
            body.template operator()<Most>();
        else
            with_rows<Most - 1>(rows, body);
    }
}

// ---- f32 and f16 weights, f32 activations

inline F load_weight(const float* p) { return Simd::load(p); }
inline F load_weight(const uint16_t* p) { return Simd::load_half(p); }

/// R rows of a packed group times P panels, `panel_stride` weights apart, over k, which are the
/// steps of `ahead`.
template <typename W, int R, int P>
void multiply_tile(const float* a, const W* w, size_t panel_stride, int k, Ahead& ahead,
                   float (*out)[kMaxRows][kPanel]) {
    Ahead here = ahead;  // in registers
    F acc[R][P * kVectors];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++) acc[r][v] = Simd::zero();
    for (int i = 0; i < k; i++, a += Simd::kRowsF32, w += kPanel) {
        here.step<P, sizeof(W) * kPanel>();
        F weights[P * kVectors];
        for (int p = 0; p < P; p++)
            for (int v = 0; v < kVectors; v++)
                weights[p * kVectors + v] = load_weight(w + p * panel_stride + v * kWidth);
        for (int r = 0; r < R; r++) {
            const F value = Simd::set(a[r]);
            for (int v = 0; v < P * kVectors; v++)
                acc[r][v] = Simd::fma(value, weights[v], acc[r][v]);
        }
    }
    ahead = here;
    for (int p = 0; p < P; p++)
        for (int r = 0; r < R; r++)
            for (int v = 0; v < kVectors; v++)
                Simd::store(out[p][r] + v * kWidth, acc[r][p * kVectors + v]);
}

/// `rows` rows times one panel or two, as many at once as the instruction set has registers for.
template <typename W>
inline void multiply_panels(int rows, const float* a, const W* w, size_t panel_stride, int k,
                            int panels, Tile& out, Ahead ahead = {}) {
    with_rows<Simd::kRowsF32>(rows, [&]<int R>() {
        if (Simd::kPanelsF32 == 2 && panels == 2)
            return multiply_tile<W, R, Simd::kPanelsF32>(a, w, panel_stride, k, ahead, out);
        for (int p = 0; p < panels; p++)
            multiply_tile<W, R, 1>(a, w + p * panel_stride, panel_stride, k, ahead, out + p);
    });
}

size_t f32_group_bytes(int k) { return sizeof(float) * Simd::kRowsF32 * static_cast<size_t>(k); }

void pack_columns_f32(const float* x, size_t stride, int rows, int first, int count,
                      std::byte* group) {
    auto* out = reinterpret_cast<float*>(group) + static_cast<size_t>(first) * Simd::kRowsF32;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < count; i++) out[i * Simd::kRowsF32 + r] = x[r * stride + i];
}

void finish_group_f32(int, std::byte*) {}

// ---- quantised weights, activations quantised as q8_0

/// How bytes are multiplied: small weights leave room for sums that some instruction sets use.
template <typename Panel>
using DotOf =
    std::conditional_t<Panel::kBits == 4, Simd::NarrowDot,
                       std::conditional_t<Panel::kHasMin, Simd::WideDot, Simd::OffsetDot>>;

/// Pieces of a panel that a depth falls into.
template <typename Panel>
constexpr int pieces_of(int k) {
    return (k + Panel::kDepth - 1) / Panel::kDepth;
}

/// Below this, scales of activations are zero for all that a model can tell.
constexpr float kSmallestScale = 1e-20f;

/// What a piece of rows has beside its values, for weights with a min: sums of the quants that meet
/// one min.
template <int Scales, bool HasMin>
struct QuantSums {
    float sums[Scales][kGroupRowsQ8];
};
/// For weights without: -128 * sum of the quants, which undoes their offset.
template <int Scales>
struct QuantSums<Scales, false> {
    static_assert(Scales == 1);
    int32_t corrections[kGroupRowsQ8];
};

/// As much of a packed group of rows as a piece of a panel is deep. Tiles want the values of a row
/// together, dots those of a step.
template <typename Panel>
struct QuantRows : QuantSums<Panel::kScales, Panel::kHasMin> {
    using Dot = DotOf<Panel>;
    static constexpr int kRows = kGroupRowsQ8, kSteps = Panel::kDepth / Dot::kDepth;
    static_assert(kRows % Dot::kRows == 0);
    static constexpr int at(int step, int row) {
        return kByteTiles ? row * kSteps + step : step * kRows + row;
    }
    typename Dot::Values values[kSteps * kRows];
};

/// The pieces of a span, and what brings sums of the blocks before to this span's scale; until the
/// group is finished, the scale.
template <typename Panel>
struct QuantSpan {
    static constexpr int kPieces = kSpan / Panel::kDepth;
    float rescale[kGroupRowsQ8];
    QuantRows<Panel> pieces[kPieces];
};

/// A packed group: the scale of each row's last span, then the spans.
struct QuantGroup {
    float scales[kGroupRowsQ8];
    template <typename Panel>
    const QuantSpan<Panel>* spans() const {
        return reinterpret_cast<const QuantSpan<Panel>*>(this + 1);
    }
    template <typename Panel>
    QuantSpan<Panel>* spans() {
        return reinterpret_cast<QuantSpan<Panel>*>(this + 1);
    }
};

constexpr int spans_of(int k) { return (k + kSpan - 1) / kSpan; }

template <typename Panel>
size_t quant_group_bytes(int k) {
    return sizeof(QuantGroup) + spans_of(k) * sizeof(QuantSpan<Panel>);
}

/// The scale with which n values become bytes.
inline float byte_scale(const float* values, int n) {
    F largest = Simd::zero();
    for_lanes(n, [&](int i, int lanes) {
        largest = Simd::max(largest, Simd::abs(load_lanes(values + i, lanes)));
    });
    const float top = Simd::largest(largest) / 127.0f;
    return top > kSmallestScale ? top : kSmallestScale;
}

/// Quantises n values, a multiple of kBlock, with this scale.
inline void quantise(const float* values, int n, float scale, int8_t* quants) {
    const F inverse = Simd::set(1.0f / scale);
    for (int i = 0; i < n; i += kWidth)
        Simd::store_bytes(quants + i, Simd::mul(Simd::load(values + i), inverse));
}

/// Packs one quantised piece of rows, whose quants are kSpan apart.
template <typename Panel>
inline void pack_piece(const int8_t* quants, int rows, QuantRows<Panel>& piece) {
    constexpr int kPart = Panel::kDepth / Panel::kScales;
    for (int r = 0; r < rows; r++)
        for (int part = 0; part < Panel::kScales; part++) {
            const int32_t sum = Simd::sum_bytes<kPart>(quants + r * kSpan + part * kPart);
            if constexpr (Panel::kHasMin)
                piece.sums[part][r] = static_cast<float>(sum);
            else
                piece.corrections[r] = -128 * sum;
        }
    using Dot = DotOf<Panel>;
    const auto put = [&](int step, int r) {
        piece.values[piece.at(step, r)] = Dot::make_values(quants + r * kSpan + step * Dot::kDepth);
    };
    if (!kByteTiles && rows == piece.kRows) {  // in the order in which they lie
        for (int step = 0; step < piece.kSteps; step++)
            for (int r = 0; r < piece.kRows; r++) put(step, r);
        return;
    }
    for (int r = 0; r < rows; r++)
        for (int step = 0; step < piece.kSteps; step++) put(step, r);
}

template <typename Panel>
void pack_columns_quant(const float* x, size_t stride, int rows, int first, int count,
                        std::byte* packed) {
    auto* span = reinterpret_cast<QuantGroup*>(packed)->spans<Panel>() + first / kSpan;
    for (int begin = 0; begin < count; begin += kSpan, span++) {
        const int n = count - begin < kSpan ? count - begin : kSpan;
        // Each step for all rows: they wait for one another within a row.
        alignas(64) int8_t quants[kGroupRowsQ8][kSpan];
        for (int r = 0; r < rows; r++) span->rescale[r] = byte_scale(x + r * stride + begin, n);
        for (int r = 0; r < rows; r++) {
            for (int i = n; i < pieces_of<Panel>(n) * Panel::kDepth; i++) quants[r][i] = 0;
            quantise(x + r * stride + begin, n, span->rescale[r], quants[r]);
        }
        for (int i = 0; i < pieces_of<Panel>(n); i++)
            pack_piece(quants[0] + i * Panel::kDepth, rows, span->pieces[i]);
    }
}

template <typename Panel>
void finish_group_quant(int k, std::byte* packed) {
    auto& group = *reinterpret_cast<QuantGroup*>(packed);
    for (float& scale : group.scales) scale = 0.0f;
    auto* span = group.spans<Panel>();
    for (int s = 0; s < spans_of(k); s++, span++)
        for (int r = 0; r < kGroupRowsQ8; r++) {
            const float scale = span->rescale[r];
            span->rescale[r] = group.scales[r] / scale;
            group.scales[r] = scale;
        }
}

/// Weights of one step of a dot, kWidth columns from `column` on.
template <typename Panel>
inline auto load_weights(const Panel& w, int step, int column) {
    using Dot = DotOf<Panel>;
    if constexpr (Panel::kBits == 8) {
        return Dot::load(w.quants + quant_offset(step * Dot::kDepth, column));
    } else {
        constexpr int kHalf = Panel::kDepth / Dot::kDepth / 2;
        const uint8_t* p = w.quants + quant_offset(step % kHalf * Dot::kDepth, column);
        return step < kHalf ? Dot::load_low(p) : Dot::load_high(p);
    }
}

/// Steps of `ahead` in the product of a piece.
template <typename Panel>
constexpr int kPieceSteps = Panel::kScales + QuantRows<Panel>::kSteps;

/// acc[r] += row first + r of a piece * one piece of P panels, `stride` pieces apart, in units of
/// the rows' scales.
template <typename Panel, int R, int P>
inline void multiply_piece(const QuantRows<Panel>& a, int first, const Panel* w, size_t stride,
                           Ahead& ahead, F (&acc)[R][P * kVectors]) {
    using Dot = DotOf<Panel>;
    constexpr int kSteps = QuantRows<Panel>::kSteps / Panel::kScales;  // that share a scale
    // Compilers keep no longer run than a block's free of a loop's cost.
    constexpr int kRun = kSteps < kBlock / Dot::kDepth ? kSteps : kBlock / Dot::kDepth;
    constexpr int kGroups = (R + Dot::kRows - 1) / Dot::kRows;
    for (int part = 0; part < Panel::kScales; part++) {
        ahead.template step<P, kPanel * sizeof(float)>();
        typename Dot::Sum dots[kGroups][P * kVectors];
        for (int g = 0; g < kGroups; g++)
            for (int v = 0; v < P * kVectors; v++) {
                if constexpr (Panel::kHasMin)
                    dots[g][v] = Dot::zero();
                else
                    dots[g][v] = Dot::start(a.corrections + first + g * Dot::kRows);
            }
        for (int run = part * kSteps; run < (part + 1) * kSteps; run += kRun)
#if defined(__AVX512VNNI__)
#pragma GCC unroll 8  // of themselves, compilers keep the sums of a short loop in memory
#endif
            for (int step = run; step < run + kRun; step++) {
                ahead.template step<P, sizeof w->quants / QuantRows<Panel>::kSteps>();
                decltype(load_weights(*w, 0, 0)) weights[P * kVectors];
                for (int p = 0; p < P; p++)
                    for (int v = 0; v < kVectors; v++)
                        weights[p * kVectors + v] = load_weights(w[p * stride], step, v * kWidth);
                for (int g = 0; g < kGroups; g++) {
                    const int rows = g < R / Dot::kRows ? Dot::kRows : R % Dot::kRows;
                    const auto* values = a.values + a.at(step, first + g * Dot::kRows);
                    for (int v = 0; v < P * kVectors; v++)
                        dots[g][v] = Dot::add(dots[g][v], weights[v], values, rows);
                }
            }
        for (int v = 0; v < P * kVectors; v++) {
            const Panel& panel = w[v / kVectors * stride];
            const int column = v % kVectors * kWidth;
            const F scale = load_weight(panel.scales[part] + column);
            for (int r = 0; r < R; r++)
                acc[r][v] =
                    Simd::fma(Simd::to_float(Dot::finish(dots[r / Dot::kRows][v], r % Dot::kRows)),
                              scale, acc[r][v]);
            if constexpr (Panel::kHasMin) {
                const F min = load_weight(panel.mins[part] + column);
                for (int r = 0; r < R; r++)
                    acc[r][v] =
                        Simd::negative_fma(min, Simd::set(a.sums[part][first + r]), acc[r][v]);
            }
        }
    }
}

/// Rows [first, first + R) of a packed group times P panels, `stride` pieces apart.
template <typename Panel, int R, int P>
void multiply_tile_quant(const QuantGroup& a, int first, const Panel* w, size_t stride, int pieces,
                         Ahead& ahead, float (*out)[kMaxRows][kPanel]) {
    Ahead here = ahead;  // in registers
    F acc[R][P * kVectors];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++) acc[r][v] = Simd::zero();
    const auto* span = a.spans<Panel>();
    for (int i = 0; i < pieces; i += span->kPieces, span++) {
        for (int r = 0; r < R; r++)
            for (int v = 0; v < P * kVectors; v++)
                acc[r][v] = Simd::mul(acc[r][v], Simd::set(span->rescale[first + r]));
        const int count = pieces - i < span->kPieces ? pieces - i : span->kPieces;
        for (int j = 0; j < count; j++)
            multiply_piece<Panel, R, P>(span->pieces[j], first, w + i + j, stride, here, acc);
    }
    ahead = here;
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++)
            Simd::store(out[v / kVectors][first + r] + v % kVectors * kWidth,
                        Simd::mul(acc[r][v], Simd::set(a.scales[first + r])));
}

}  // namespace

#if defined(PARROTLET_BYTE_TILES)
#include "kernels/byte_tiles.inl"
#endif

namespace {

/// What products need set up in the processor for their time: most, nothing.
struct NothingInUse {
    explicit NothingInUse(int) {}
};

/// The same for products of m rows of bytes, ProductInUse<Panel>(m).
#if defined(PARROTLET_BYTE_TILES)
template <typename Panel>
using ProductInUse = ByteTilesInUse<Panel>;
#else
template <typename Panel>
using ProductInUse = NothingInUse;
#endif

/// How a whole group goes through panels of so many pieces.
template <typename Panel>
constexpr TileReads quant_reads(int pieces) {
    const size_t bytes = sizeof(Panel) * pieces;
#if defined(PARROTLET_BYTE_TILES)
    if constexpr (kHasByteTiles<Panel>)
        return {.panel_bytes = bytes,
                .at_once = 1,
                .steps = pieces * Simd::kTileRows,
                .times = 1,
                .nearby = true};
#endif
    return {.panel_bytes = bytes,
            .at_once = Simd::kPanelsQ8,
            .steps = pieces * kPieceSteps<Panel>,
            .times = (kGroupRowsQ8 + Simd::kRowsQ8 - 1) / Simd::kRowsQ8,
            .nearby = Simd::kPanelsQ8 == 2};
}

/// All rows of a group times one panel or two, as many of both at once as the instruction set has
/// registers for. With `fetch`, the panels come from memory, and nothing else brings them; `ahead`
/// asks for others.
template <typename Panel>
inline void multiply_panels_quant(int rows, const QuantGroup& a, const Panel* w, size_t stride,
                                  int pieces, int panels, Tile& out, Ahead ahead = {},
                                  [[maybe_unused]] bool fetch = false) {
#if defined(PARROTLET_BYTE_TILES)
    if constexpr (kHasByteTiles<Panel>) {
        multiply_byte_tiles(rows, a, w, stride, pieces, panels, fetch, ahead, out);
        return;
    }
#endif
    for (int first = 0; first < rows; first += Simd::kRowsQ8) {
        const int here = rows - first < Simd::kRowsQ8 ? rows - first : Simd::kRowsQ8;
        with_rows<Simd::kRowsQ8>(here, [&]<int R>() {
            if (Simd::kPanelsQ8 == 2 && panels == 2)
                return multiply_tile_quant<Panel, R, Simd::kPanelsQ8>(a, first, w, stride, pieces,
                                                                      ahead, out);
            for (int p = 0; p < panels; p++)
                multiply_tile_quant<Panel, R, 1>(a, first, w + p * stride, stride, pieces, ahead,
                                                 out + p);
        });
    }
}

}  // namespace
