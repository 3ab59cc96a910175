// kernels/gemm.h

namespace {

using parrotlet::Activation;
using parrotlet::Epilogue;
using parrotlet::GemmArgs;
using parrotlet::kPanel;
using parrotlet::kQ8Block;
using parrotlet::Q8Panel;

constexpr int kVectors = kPanel / kWidth;  // vectors across one panel

/// Results of one register tile, per panel: [kMaxPanels][rows][kPanel].
constexpr int kMaxRows = Simd::kRowsF32 > Simd::kRowsQ8 ? Simd::kRowsF32 : Simd::kRowsQ8;
using Tile = float[2][kMaxRows][kPanel];

// ---- f32 and f16 weights, f32 activations

inline F load_weight(const float* p) { return Simd::load(p); }
inline F load_weight(const uint16_t* p) { return Simd::load_half(p); }

/// R rows of a packed group times P panels, `panel_stride` weights apart, over k.
template <typename W, int R, int P>
void multiply_tile(const float* a, const W* w, size_t panel_stride, int k, Tile& out) {
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
template <typename W, int P, int R = Simd::kRowsF32>
inline void multiply_rows(int rows, const float* a, const W* w, size_t panel_stride, int k,
                          Tile& out) {
    if constexpr (R > 0) {
        if (rows == R)
            multiply_tile<W, R, P>(a, w, panel_stride, k, out);
        else
            multiply_rows<W, P, R - 1>(rows, a, w, panel_stride, k, out);
    }
}

size_t f32_group_bytes(int k) { return sizeof(float) * Simd::kRowsF32 * static_cast<size_t>(k); }

void pack_rows_f32(const float* x, size_t stride, int rows, int k, std::byte* group) {
    auto* out = reinterpret_cast<float*>(group);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < k; i++) out[i * Simd::kRowsF32 + r] = x[r * stride + i];
}

// ---- q8_0 weights, activations quantised alike

/// One block of kQ8Block values of a packed group of rows.
struct Q8Rows {
    float scales[Simd::kRowsQ8];
    int32_t corrections[Simd::kRowsQ8];  ///< -128 * sum of the quants: undoes the weights' offset
    Simd::Quad quads[kQ8Block / 4][Simd::kRowsQ8];
};

size_t q8_0_group_bytes(int k) { return sizeof(Q8Rows) * static_cast<size_t>(k / kQ8Block); }

void pack_rows_q8_0(const float* x, size_t stride, int rows, int k, std::byte* group) {
    auto* blocks = reinterpret_cast<Q8Rows*>(group);
    for (int b = 0; b < k / kQ8Block; b++)
        for (int r = 0; r < rows; r++) {
            const float* values = x + r * stride + b * kQ8Block;
            F largest = Simd::zero();
            for (int i = 0; i < kQ8Block; i += kWidth)
                largest = Simd::max(largest, Simd::abs(Simd::load(values + i)));
            const float scale = Simd::largest(largest) / 127.0f;
            const F inverse = Simd::set(scale > 0.0f ? 1.0f / scale : 0.0f);
            float rounded[kQ8Block];
            for (int i = 0; i < kQ8Block; i += kWidth)
                Simd::store(rounded + i, Simd::round(Simd::mul(Simd::load(values + i), inverse)));
            int8_t quants[kQ8Block];
            int32_t sum = 0;
            for (int i = 0; i < kQ8Block; i++) {
                quants[i] = static_cast<int8_t>(rounded[i]);
                sum += quants[i];
            }
            blocks[b].scales[r] = scale;
            blocks[b].corrections[r] = -128 * sum;
            for (int q = 0; q < kQ8Block / 4; q++)
                blocks[b].quads[q][r] = Simd::make_quad(quants + 4 * q);
        }
}

template <int R>
void multiply_tile_q8(const Q8Rows* a, const Q8Panel* w, int blocks, float (*out)[kPanel]) {
    F acc[R][kVectors];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < kVectors; v++) acc[r][v] = Simd::zero();
    for (int b = 0; b < blocks; b++) {
        Simd::I dots[R][kVectors];
        for (int r = 0; r < R; r++)
            for (int v = 0; v < kVectors; v++) dots[r][v] = Simd::set_int(a[b].corrections[r]);
        for (int q = 0; q < kQ8Block / 4; q++)
            for (int v = 0; v < kVectors; v++) {
                const auto weights =
                    Simd::load_weights(w[b].quants + 4 * (q * kPanel + v * kWidth));
                for (int r = 0; r < R; r++)
                    dots[r][v] = Simd::dot4(dots[r][v], weights, &a[b].quads[q][r]);
            }
        for (int v = 0; v < kVectors; v++) {
            const F scale = Simd::load_half(w[b].scales + v * kWidth);
            for (int r = 0; r < R; r++)
                acc[r][v] = Simd::fma(Simd::to_float(dots[r][v]),
                                      Simd::mul(scale, Simd::set(a[b].scales[r])), acc[r][v]);
        }
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < kVectors; v++) Simd::store(out[r] + v * kWidth, acc[r][v]);
}

template <int R = Simd::kRowsQ8>
inline void multiply_rows_q8(int rows, const Q8Rows* a, const Q8Panel* w, int blocks,
                             float (*out)[kPanel]) {
    if constexpr (R > 0) {
        if (rows == R)
            multiply_tile_q8<R>(a, w, blocks, out);
        else
            multiply_rows_q8<R - 1>(rows, a, w, blocks, out);
    }
}

// ---- what happens to a finished tile

inline F activate(Activation activation, F v) {
    if (activation == Activation::relu) return Simd::max(v, Simd::zero());
    if (activation == Activation::silu) return Simd::mul(v, sigmoid(v));
    return v;
}

/// Applies the epilogue to one panel of a tile and stores it to C at (row, column).
void store_panel(const GemmArgs& args, const float (*tile)[kPanel], int rows, int row, int column) {
    const Epilogue& e = args.epilogue;
    const int columns = args.n - column < kPanel ? args.n - column : kPanel;
    for (int r = 0; r < rows; r++) {
        const size_t at = static_cast<size_t>(row + r) * args.c_stride + column;
        for_lanes(columns, [&](int i, int lanes) {
            F v = Simd::load(tile[r] + i);
            if (e.bias != nullptr) v = Simd::add(v, load_lanes(e.bias + column + i, lanes));
            v = activate(e.activation, v);
            if (e.residual != nullptr)
                v = Simd::fma(v, Simd::set(e.scale), load_lanes(e.residual + at + i, lanes));
            store_lanes(args.c + at + i, v, lanes);
        });
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
    if (args.epilogue.activation == Activation::glu) {
        store_glu(args, tile, rows, row, panel / 2 * kPanel);
        return;
    }
    for (int p = 0; p < panels; p++) store_panel(args, tile[p], rows, row, (panel + p) * kPanel);
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
            if (panels == 2) {
                multiply_rows<W, 2>(rows, rows_a, w, panel_stride, args.k, tile);
            } else {
                multiply_rows<W, 1>(rows, rows_a, w, panel_stride, args.k, tile);
            }
            store_tile(args, tile, rows, row, panel, panels);
        }
    }
}

void multiply_f32(const GemmArgs& args) { multiply_float<float>(args); }
void multiply_f16(const GemmArgs& args) { multiply_float<uint16_t>(args); }

void multiply_q8_0(const GemmArgs& args) {
    const int blocks = args.k / kQ8Block;
    const auto* a = reinterpret_cast<const Q8Rows*>(args.a);
    const bool glu = args.epilogue.activation == Activation::glu;
    const int step = glu ? 2 : 1;
    Tile tile;
    for (int panel = args.panel_begin; panel < args.panel_end; panel += step) {
        const Q8Panel* w =
            reinterpret_cast<const Q8Panel*>(args.w) + static_cast<size_t>(panel) * blocks;
        for (int row = 0, group = 0; row < args.m; row += Simd::kRowsQ8, group++) {
            const int rows = args.m - row < Simd::kRowsQ8 ? args.m - row : Simd::kRowsQ8;
            const Q8Rows* rows_a = a + static_cast<size_t>(group) * blocks;
            for (int p = 0; p < step; p++)
                multiply_rows_q8(rows, rows_a, w + static_cast<size_t>(p) * blocks, blocks,
                                 tile[p]);
            store_tile(args, tile, rows, row, panel, step);
        }
    }
}

}  // namespace
