// kernels/gemm.h

namespace {

using parrotlet::Activation;
using parrotlet::Epilogue;
using parrotlet::GemmArgs;
using parrotlet::kBlock;
using parrotlet::kPanel;

constexpr int kVectors = kPanel / kWidth;  // vectors across one panel

/// Results of one register tile, per panel: [kMaxPanels][rows][kPanel].
constexpr int kMaxRows = Simd::kRowsF32 > Simd::kRowsQ8 ? Simd::kRowsF32 : Simd::kRowsQ8;
using Tile = float[2][kMaxRows][kPanel];

// ---- f32 and f16 weights, f32 activations

inline F load_weight(const float* p) { return Simd::load(p); }
inline F load_weight(const uint16_t* p) { return Simd::load_half(p); }

/// R rows of a packed group times P panels, `panel_stride` weights apart, over k.
template <typename W, int R, int P>
void multiply_tile(const float* a, const W* w, size_t panel_stride, int k,
                   float (*out)[kMaxRows][kPanel]) {
    F acc[R][P * kVectors];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++) acc[r][v] = Simd::zero();
    for (int i = 0; i < k; i++, a += Simd::kRowsF32, w += kPanel) {
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
    for (int p = 0; p < P; p++)
        for (int r = 0; r < R; r++)
            for (int v = 0; v < kVectors; v++)
                Simd::store(out[p][r] + v * kWidth, acc[r][p * kVectors + v]);
}

/// multiply_tile for a number of rows known only at run time.
template <int P, typename W, int R = Simd::kRowsF32>
inline void multiply_rows(int rows, const float* a, const W* w, size_t panel_stride, int k,
                          float (*out)[kMaxRows][kPanel]) {
    if constexpr (R > 0) {
        if (rows == R)
            multiply_tile<W, R, P>(a, w, panel_stride, k, out);
        else
            multiply_rows<P, W, R - 1>(rows, a, w, panel_stride, k, out);
    }
}

/// The same for one panel or two, as many at once as the instruction set has registers for.
template <typename W>
inline void multiply_panels(int rows, const float* a, const W* w, size_t panel_stride, int k,
                            int panels, Tile& out) {
    if (Simd::kPanelsF32 == 2 && panels == 2) {
        multiply_rows<Simd::kPanelsF32>(rows, a, w, panel_stride, k, out);
        return;
    }
    for (int p = 0; p < panels; p++)
        multiply_rows<1>(rows, a, w + p * panel_stride, panel_stride, k, out + p);
}

size_t f32_group_bytes(int k) { return sizeof(float) * Simd::kRowsF32 * static_cast<size_t>(k); }

void pack_rows_f32(const float* x, size_t stride, int rows, int k, std::byte* group) {
    auto* out = reinterpret_cast<float*>(group);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < k; i++) out[i * Simd::kRowsF32 + r] = x[r * stride + i];
}

// ---- quantised weights, activations quantised as q8_0

/// How bytes are multiplied: small weights leave room for sums that some instruction sets use.
template <typename Panel>
using DotOf =
    std::conditional_t<Panel::kBits == 4, Simd::NarrowDot,
                       std::conditional_t<Panel::kHasMin, Simd::WideDot, Simd::OffsetDot>>;

/// Consecutive blocks of a row of activations that share a scale. With a scale for each block, the
/// products of scales would take a fifth of the time on the widest instruction sets.
constexpr int kSpan = 4;

/// Below this, scales of activations are zero for all that a model can tell.
constexpr float kSmallestScale = 1e-20f;

/// One block of a packed group of rows.
template <typename Panel>
struct QuantRows {
    using Dot = DotOf<Panel>;
    static constexpr int kRows = Simd::kRowsQ8;
    static_assert(kRows % Dot::kRows == 0);
    /// -128 * sum of the quants: undoes the offset of weights without a min.
    int32_t corrections[Panel::kHasMin ? 0 : kRows];
    /// Sums of the quants that meet one min.
    float sums[Panel::kHasMin ? Panel::kScales : 0][kRows];
    typename Dot::Values values[kBlock / Dot::kDepth][kRows];
};

/// kSpan blocks, and what brings sums of the blocks before to this span's scale.
template <typename Panel>
struct QuantSpan {
    float rescale[Simd::kRowsQ8];
    QuantRows<Panel> blocks[kSpan];
};

/// A packed group: the scale of each row's last span, then the spans.
struct QuantGroup {
    float scales[Simd::kRowsQ8];
    template <typename Panel>
    const QuantSpan<Panel>* spans() const {
        return reinterpret_cast<const QuantSpan<Panel>*>(this + 1);
    }
};

template <typename Panel>
size_t quant_group_bytes(int k) {
    const size_t spans = (static_cast<size_t>(k / kBlock) + kSpan - 1) / kSpan;
    return sizeof(QuantGroup) + spans * sizeof(QuantSpan<Panel>);
}

/// Quantises n values, a multiple of kBlock, with one scale, which it returns.
inline float quantise(const float* values, int n, int8_t* quants) {
    F largest = Simd::zero();
    for (int i = 0; i < n; i += kWidth)
        largest = Simd::max(largest, Simd::abs(Simd::load(values + i)));
    const float top = Simd::largest(largest) / 127.0f;
    const float scale = top > kSmallestScale ? top : kSmallestScale;
    const F inverse = Simd::set(1.0f / scale);
    for (int i = 0; i < n; i += kWidth)
        Simd::store_bytes(quants + i, Simd::mul(Simd::load(values + i), inverse));
    return scale;
}

/// Packs one quantised block of one row.
template <typename Panel>
inline void pack_block(const int8_t* quants, int row, QuantRows<Panel>& block) {
    constexpr int kPart = kBlock / Panel::kScales;
    for (int part = 0; part < Panel::kScales; part++) {
        const int32_t sum = Simd::sum_bytes<kPart>(quants + part * kPart);
        if constexpr (Panel::kHasMin)
            block.sums[part][row] = static_cast<float>(sum);
        else
            block.corrections[row] = -128 * sum;
    }
    using Dot = DotOf<Panel>;
    for (int i = 0; i < kBlock / Dot::kDepth; i++)
        block.values[i][row] = Dot::make_values(quants + i * Dot::kDepth);
}

template <typename Panel>
void pack_rows_quant(const float* x, size_t stride, int rows, int k, std::byte* packed) {
    auto& group = *reinterpret_cast<QuantGroup*>(packed);
    const int blocks = k / kBlock;
    for (int r = 0; r < rows; r++) {
        auto* span = const_cast<QuantSpan<Panel>*>(group.spans<Panel>());
        float previous = 0.0f;
        for (int b = 0; b < blocks; b += kSpan, span++) {
            const int count = blocks - b < kSpan ? blocks - b : kSpan;
            alignas(64) int8_t quants[kSpan * kBlock];
            const float scale = quantise(x + r * stride + b * kBlock, count * kBlock, quants);
            span->rescale[r] = previous / scale;
            previous = scale;
            for (int i = 0; i < count; i++) pack_block(quants + i * kBlock, r, span->blocks[i]);
        }
        group.scales[r] = previous;
    }
}

/// Weights of one step of a dot, kWidth columns from `column` on.
template <typename Panel>
inline auto load_weights(const Panel& w, int step, int column) {
    using Dot = DotOf<Panel>;
    constexpr int kQuads = Dot::kDepth / 4;
    if constexpr (Panel::kBits == 8) {
        return Dot::load(w.quants + 4 * (step * kQuads * kPanel + column));
    } else {
        constexpr int kHalf = kBlock / Dot::kDepth / 2;
        const uint8_t* p = w.quants + 4 * (step % kHalf * kQuads * kPanel + column);
        return step < kHalf ? Dot::load_low(p) : Dot::load_high(p);
    }
}

/// acc[r] += block r of the rows * one block of P panels, `stride` blocks apart, in units of the
/// rows' scales.
template <typename Panel, int R, int P>
inline void multiply_block(const QuantRows<Panel>& a, const Panel* w, size_t stride,
                           F (&acc)[R][P * kVectors]) {
    using Dot = DotOf<Panel>;
    constexpr int kSteps = kBlock / Dot::kDepth / Panel::kScales;  // that share a scale
    constexpr int kGroups = (R + Dot::kRows - 1) / Dot::kRows;
    for (int part = 0; part < Panel::kScales; part++) {
        typename Dot::Sum dots[kGroups][P * kVectors];
        for (int g = 0; g < kGroups; g++)
            for (int v = 0; v < P * kVectors; v++) {
                if constexpr (Panel::kHasMin)
                    dots[g][v] = Dot::zero();
                else
                    dots[g][v] = Dot::start(a.corrections + g * Dot::kRows);
            }
        for (int step = part * kSteps; step < (part + 1) * kSteps; step++) {
            decltype(load_weights(*w, 0, 0)) weights[P * kVectors];
            for (int p = 0; p < P; p++)
                for (int v = 0; v < kVectors; v++)
                    weights[p * kVectors + v] = load_weights(w[p * stride], step, v * kWidth);
            for (int g = 0; g < kGroups; g++) {
                const int rows = g < R / Dot::kRows ? Dot::kRows : R % Dot::kRows;
                for (int v = 0; v < P * kVectors; v++)
                    dots[g][v] =
                        Dot::add(dots[g][v], weights[v], &a.values[step][g * Dot::kRows], rows);
            }
        }
        for (int v = 0; v < P * kVectors; v++) {
            const Panel& panel = w[v / kVectors * stride];
            const int column = v % kVectors * kWidth;
            const F scale = Simd::load_half(panel.scales[part] + column);
            for (int r = 0; r < R; r++)
                acc[r][v] =
                    Simd::fma(Simd::to_float(Dot::finish(dots[r / Dot::kRows][v], r % Dot::kRows)),
                              scale, acc[r][v]);
            if constexpr (Panel::kHasMin) {
                const F min = Simd::load_half(panel.mins[part] + column);
                for (int r = 0; r < R; r++)
                    acc[r][v] = Simd::negative_fma(min, Simd::set(a.sums[part][r]), acc[r][v]);
            }
        }
    }
}

/// R rows of a packed group times P panels, `stride` blocks apart.
template <typename Panel, int R, int P>
void multiply_tile_quant(const QuantGroup& a, const Panel* w, size_t stride, int blocks,
                         float (*out)[kMaxRows][kPanel]) {
    F acc[R][P * kVectors];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++) acc[r][v] = Simd::zero();
    const auto* span = a.spans<Panel>();
    for (int b = 0; b < blocks; b += kSpan, span++) {
        for (int r = 0; r < R; r++)
            for (int v = 0; v < P * kVectors; v++)
                acc[r][v] = Simd::mul(acc[r][v], Simd::set(span->rescale[r]));
        const int count = blocks - b < kSpan ? blocks - b : kSpan;
        for (int i = 0; i < count; i++)
            multiply_block<Panel, R, P>(span->blocks[i], w + b + i, stride, acc);
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < P * kVectors; v++)
            Simd::store(out[v / kVectors][r] + v % kVectors * kWidth,
                        Simd::mul(acc[r][v], Simd::set(a.scales[r])));
}

/// multiply_tile_quant for a number of rows known only at run time.
template <int P, typename Panel, int R = Simd::kRowsQ8>
inline void multiply_rows_quant(int rows, const QuantGroup& a, const Panel* w, size_t stride,
                                int blocks, float (*out)[kMaxRows][kPanel]) {
    if constexpr (R > 0) {
        if (rows == R)
            multiply_tile_quant<Panel, R, P>(a, w, stride, blocks, out);
        else
            multiply_rows_quant<P, Panel, R - 1>(rows, a, w, stride, blocks, out);
    }
}

/// The same for one panel or two, as many at once as the instruction set has registers for.
template <typename Panel>
inline void multiply_panels_quant(int rows, const QuantGroup& a, const Panel* w, size_t stride,
                                  int blocks, int panels, Tile& out) {
    if (Simd::kPanelsQ8 == 2 && panels == 2) {
        multiply_rows_quant<Simd::kPanelsQ8>(rows, a, w, stride, blocks, out);
        return;
    }
    for (int p = 0; p < panels; p++)
        multiply_rows_quant<1>(rows, a, w + p * stride, stride, blocks, out + p);
}

// ---- what happens to a finished tile

template <Activation A>
inline F activate(F v) {
    if constexpr (A == Activation::relu) return Simd::max(v, Simd::zero());
    if constexpr (A == Activation::silu) return Simd::mul(v, sigmoid(v));
    return v;
}

/// Applies the epilogue to one panel of a tile and stores it to C at (row, column).
template <Activation A, bool Residual>
void store_panel(const GemmArgs& args, const float (*tile)[kPanel], int rows, int row, int column) {
    const Epilogue& e = args.epilogue;
    const int columns = args.n - column < kPanel ? args.n - column : kPanel;
    const F scale = Simd::set(e.scale);
    for_lanes(columns, [&](int i, int lanes) {
        const F bias = e.bias != nullptr ? load_lanes(e.bias + column + i, lanes) : Simd::zero();
        size_t at = static_cast<size_t>(row) * args.c_stride + column + i;
        for (int r = 0; r < rows; r++, at += args.c_stride) {
            F v = activate<A>(Simd::add(Simd::load(tile[r] + i), bias));
            if constexpr (Residual) v = Simd::fma(v, scale, load_lanes(e.residual + at, lanes));
            store_lanes(args.c + at, v, lanes);
        }
    });
}

template <Activation A>
void store_panels(const GemmArgs& args, const Tile& tile, int rows, int row, int panel,
                  int panels) {
    for (int p = 0; p < panels; p++) {
        const int column = (panel + p) * kPanel;
        if (args.epilogue.residual != nullptr)
            store_panel<A, true>(args, tile[p], rows, row, column);
        else
            store_panel<A, false>(args, tile[p], rows, row, column);
    }
}

/// value * sigmoid(gate); biases of the gates follow those of the values.
void store_glu(const GemmArgs& args, const Tile& tile, int rows, int row, int column) {
    const float* bias = args.epilogue.bias;
    const int columns = args.n - column < kPanel ? args.n - column : kPanel;
    for (int r = 0; r < rows; r++) {
        float* c = args.c + static_cast<size_t>(row + r) * args.c_stride + column;
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

void store_tile(const GemmArgs& args, const Tile& tile, int rows, int row, int panel, int panels) {
    switch (args.epilogue.activation) {
        case Activation::glu: return store_glu(args, tile, rows, row, panel / 2 * kPanel);
        case Activation::relu:
            return store_panels<Activation::relu>(args, tile, rows, row, panel, panels);
        case Activation::silu:
            return store_panels<Activation::silu>(args, tile, rows, row, panel, panels);
        case Activation::none: break;
    }
    store_panels<Activation::none>(args, tile, rows, row, panel, panels);
}

// ---- the loops over a product: panels outside, so that a panel stays in cache for all rows

template <typename W>
void multiply_float(const GemmArgs& args) {
    const size_t panel_stride = static_cast<size_t>(args.k) * kPanel;
    const size_t group_floats = static_cast<size_t>(args.k) * Simd::kRowsF32;
    const auto* a = reinterpret_cast<const float*>(args.a);
    const bool glu = args.epilogue.activation == Activation::glu;
    const int step = glu ? 2 : Simd::kPanelsF32;
    Tile tile;
    for (int panel = args.panel_begin; panel < args.panel_end; panel += step) {
        const auto* w = reinterpret_cast<const W*>(args.w) + panel * panel_stride;
        const int panels = args.panel_end - panel < step ? args.panel_end - panel : step;
        for (int row = 0, group = 0; row < args.m; row += Simd::kRowsF32, group++) {
            const int rows = args.m - row < Simd::kRowsF32 ? args.m - row : Simd::kRowsF32;
            const float* rows_a = a + group * group_floats;
            multiply_panels(rows, rows_a, w, panel_stride, args.k, panels, tile);
            store_tile(args, tile, rows, row, panel, panels);
        }
    }
}

void multiply_f32(const GemmArgs& args) { multiply_float<float>(args); }
void multiply_f16(const GemmArgs& args) { multiply_float<uint16_t>(args); }

template <typename Panel>
void multiply_quant(const GemmArgs& args) {
    const int blocks = args.k / kBlock;
    const size_t group_bytes = quant_group_bytes<Panel>(args.k);
    const bool glu = args.epilogue.activation == Activation::glu;
    const int step = glu ? 2 : Simd::kPanelsQ8;
    Tile tile;
    for (int panel = args.panel_begin; panel < args.panel_end; panel += step) {
        const auto* w =
            reinterpret_cast<const Panel*>(args.w) + static_cast<size_t>(panel) * blocks;
        const int panels = args.panel_end - panel < step ? args.panel_end - panel : step;
        for (int row = 0, group = 0; row < args.m; row += Simd::kRowsQ8, group++) {
            const int rows = args.m - row < Simd::kRowsQ8 ? args.m - row : Simd::kRowsQ8;
            const auto& rows_a = *reinterpret_cast<const QuantGroup*>(args.a + group * group_bytes);
            multiply_panels_quant(rows, rows_a, w, blocks, blocks, panels, tile);
            store_tile(args, tile, rows, row, panel, panels);
        }
    }
}

template <typename Panel>
constexpr parrotlet::GemmKernel quant_kernel() {
    return {Simd::kRowsQ8, quant_group_bytes<Panel>, pack_rows_quant<Panel>, multiply_quant<Panel>};
}

}  // namespace
