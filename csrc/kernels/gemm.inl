// kernels/gemm.h

namespace {

using parrotlet::Activation;
using parrotlet::Epilogue;
using parrotlet::GemmArgs;
using parrotlet::kBlock;
using parrotlet::kPanel;
using parrotlet::kSpan;

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

constexpr int kSpanBlocks = kSpan / kBlock;

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
    /// Row by row, or as many rows together as one step of a dot takes.
    typename Dot::Values values[kBlock / Dot::kDepth][kRows];
};

/// The blocks of a span, and what brings sums of the blocks before to this span's scale; until the
/// group is finished, the scale.
template <typename Panel>
struct QuantSpan {
    float rescale[Simd::kRowsQ8];
    QuantRows<Panel> blocks[kSpanBlocks];
};

/// A packed group: the scale of each row's last span, then the spans.
struct QuantGroup {
    float scales[Simd::kRowsQ8];
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
void pack_columns_quant(const float* x, size_t stride, int rows, int first, int count,
                        std::byte* packed) {
    auto* span = reinterpret_cast<QuantGroup*>(packed)->spans<Panel>() + first / kSpan;
    for (int begin = 0; begin < count; begin += kSpan, span++) {
        const int n = count - begin < kSpan ? count - begin : kSpan;
        for (int r = 0; r < rows; r++) {
            alignas(64) int8_t quants[kSpan];
            span->rescale[r] = quantise(x + r * stride + begin, n, quants);
            for (int i = 0; i < n / kBlock; i++)
                pack_block(quants + i * kBlock, r, span->blocks[i]);
        }
    }
}

template <typename Panel>
void finish_group_quant(int k, std::byte* packed) {
    auto& group = *reinterpret_cast<QuantGroup*>(packed);
    for (float& scale : group.scales) scale = 0.0f;
    auto* span = group.spans<Panel>();
    for (int s = 0; s < spans_of(k); s++, span++)
        for (int r = 0; r < Simd::kRowsQ8; r++) {
            const float scale = span->rescale[r];
            span->rescale[r] = group.scales[r] / scale;
            group.scales[r] = scale;
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
    for (int b = 0; b < blocks; b += kSpanBlocks, span++) {
        for (int r = 0; r < R; r++)
            for (int v = 0; v < P * kVectors; v++)
                acc[r][v] = Simd::mul(acc[r][v], Simd::set(span->rescale[r]));
        const int count = blocks - b < kSpanBlocks ? blocks - b : kSpanBlocks;
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

/// Brings the next panels into the second-level cache while the present ones are multiplied with
/// all rows: they come from a cache that others share, or from memory, and hardware prefetches
/// neither far ahead nor across pages.
class PanelPrefetch {
  public:
    /// Up to `panels` of `bytes` each from panel `first` on, in equal parts for `steps` steps.
    PanelPrefetch(const GemmArgs& args, int first, int panels, size_t bytes, int steps)
        : next_(args.w + first * bytes) {
        if (steps < kLeastSteps || first >= args.panel_end) return;
        left_ = (args.panel_end - first < panels ? args.panel_end - first : panels) * bytes;
        part_ = (left_ / steps / kLine + 1) * kLine;
    }

    void step() {
        const size_t n = left_ < part_ ? left_ : part_;
        for (size_t i = 0; i < n; i += kLine) __builtin_prefetch(next_ + i, 0, 2);
        next_ += n;
        left_ -= n;
    }

  private:
    static constexpr size_t kLine = 64;
    static constexpr int kLeastSteps = 4;  // with fewer, nothing is left to hide behind
    const std::byte* next_;
    size_t left_ = 0, part_ = 0;
};

/// Computes a product by multiply(panel, panels, group, rows, tile), which fills a tile.
template <int kGroupRows, typename Multiply>
inline void store_product(const GemmArgs& args, int step, size_t panel_bytes, Multiply multiply) {
    Tile tile;
    const int groups = (args.m + kGroupRows - 1) / kGroupRows;
    const bool glu = args.epilogue.activation == Activation::glu;
    for (int panel = args.panel_begin; panel < args.panel_end; panel += step) {
        const int panels = args.panel_end - panel < step ? args.panel_end - panel : step;
        const int column = (glu ? panel / 2 : panel) * kPanel;
        PanelPrefetch prefetch(args, panel + step, step, panel_bytes, groups);
        for (int row = 0, group = 0; row < args.m; row += kGroupRows, group++) {
            const int rows = args.m - row < kGroupRows ? args.m - row : kGroupRows;
            const size_t at = static_cast<size_t>(row) * args.c_stride + column;
            const float* residual = args.epilogue.residual;
            prefetch.step();
            fetch(args.c + at, args.c_stride, rows, glu ? 1 : panels);
            multiply(panel, panels, group, rows, tile);
            store_tile(args, tile, rows, panel, panels,
                       {.c = args.c + at,
                        .stride = args.c_stride,
                        .residual = residual == nullptr ? nullptr : residual + at});
        }
    }
}

/// The same for results that are packed for another product, a span at a time.
template <int kGroupRows, typename Multiply>
inline void pack_product(const GemmArgs& args, int step, size_t panel_bytes, Multiply multiply) {
    constexpr int kSpanPanels = kSpan / kPanel;
    const int groups = (args.m + kGroupRows - 1) / kGroupRows;
    Tile tile;
    alignas(64) float span[kGroupRows][kSpan];
    for (int first = args.panel_begin; first < args.panel_end; first += kSpanPanels) {
        const int end = args.panel_end - first < kSpanPanels ? args.panel_end : first + kSpanPanels;
        const int column = first * kPanel;
        const int columns = args.n - column < kSpan ? args.n - column : kSpan;
        PanelPrefetch prefetch(args, end, kSpanPanels, panel_bytes, groups);
        for (int row = 0, group = 0; row < args.m; row += kGroupRows, group++) {
            prefetch.step();
            const int rows = args.m - row < kGroupRows ? args.m - row : kGroupRows;
            for (int panel = first; panel < end; panel += step) {
                const int panels = end - panel < step ? end - panel : step;
                multiply(panel, panels, group, rows, tile);
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
inline void run_product(const GemmArgs& args, size_t panel_bytes, Multiply multiply) {
    if (args.packed.pack_columns != nullptr)
        pack_product<kGroupRows>(args, kTilePanels, panel_bytes, multiply);
    else
        store_product<kGroupRows>(args,
                                  args.epilogue.activation == Activation::glu ? 2 : kTilePanels,
                                  panel_bytes, multiply);
}

template <typename W>
void multiply_float(const GemmArgs& args) {
    const size_t panel_stride = static_cast<size_t>(args.k) * kPanel;
    const size_t group_floats = static_cast<size_t>(args.k) * Simd::kRowsF32;
    const auto* a = reinterpret_cast<const float*>(args.a);
    const auto* w = reinterpret_cast<const W*>(args.w);
    run_product<Simd::kRowsF32, Simd::kPanelsF32>(
        args, panel_stride * sizeof(W),
        [&](int panel, int panels, int group, int rows, Tile& tile) {
            multiply_panels(rows, a + group * group_floats, w + panel * panel_stride, panel_stride,
                            args.k, panels, tile);
        });
}

void multiply_f32(const GemmArgs& args) { multiply_float<float>(args); }
void multiply_f16(const GemmArgs& args) { multiply_float<uint16_t>(args); }

template <typename Panel>
void multiply_quant(const GemmArgs& args) {
    const int blocks = args.k / kBlock;
    const size_t group_bytes = quant_group_bytes<Panel>(args.k);
    const auto* w = reinterpret_cast<const Panel*>(args.w);
    run_product<Simd::kRowsQ8, Simd::kPanelsQ8>(
        args, sizeof(Panel) * blocks, [&](int panel, int panels, int group, int rows, Tile& tile) {
            const auto& a = *reinterpret_cast<const QuantGroup*>(args.a + group * group_bytes);
            multiply_panels_quant(rows, a, w + static_cast<size_t>(panel) * blocks, blocks, blocks,
                                  panels, tile);
        });
}

constexpr parrotlet::GemmKernel f32_kernel(void (*multiply)(const GemmArgs&)) {
    return {Simd::kRowsF32, f32_group_bytes, pack_columns_f32, finish_group_f32, multiply};
}

template <typename Panel>
constexpr parrotlet::GemmKernel quant_kernel() {
    return {Simd::kRowsQ8, quant_group_bytes<Panel>, pack_columns_quant<Panel>,
            finish_group_quant<Panel>, multiply_quant<Panel>};
}

}  // namespace
