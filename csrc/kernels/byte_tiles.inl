// Products of bytes by matrix tiles (Intel AMX): one instruction multiplies 64 values of 16 rows
// with those of 16 columns. Included by kernels/tiles.inl, whose packed groups and results these
// are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

/// Panels whose quants go to tiles as they lie in memory. The depth that shares a scale has to be
/// large: sums leave a tile through memory, which for 32 values takes longer than to multiply them.
template <typename Panel>
constexpr bool kHasByteTiles = Panel::kBits == 8 && Panel::kScales == 1 && Panel::kDepth == kSpan;

/// The shape of the tile registers, as the instruction reads it.
struct alignas(64) TileShapes {
    uint8_t palette = 1, start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

/// Has the compiler write everything before an instruction that reads more than it knows.
inline void forget_memory(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

/// Sets the tile registers up for products of m rows, and clears them afterwards: a thread without
/// tiles in use costs less to suspend.
template <typename Panel>
class ByteTilesInUse {
  public:
    explicit ByteTilesInUse([[maybe_unused]] int m) {
        if constexpr (kHasByteTiles<Panel>) {
            TileShapes shapes;
            for (int i = 0; i < 8; i++) {
                shapes.row_bytes[i] = 64;
                shapes.rows[i] = 16;
            }
            // Of sums and activations; the last group of many rows computes some that nobody reads.
            // A tile without rows is a fault, and there are products without.
            const int rows = m < 1 ? 1 : m < 16 ? m : 16;
            for (int i = 0; i < 4; i++) shapes.rows[i] = static_cast<uint8_t>(rows);
            forget_memory(&shapes);
            _tile_loadconfig(&shapes);
        }
    }
    ~ByteTilesInUse() {
        if constexpr (kHasByteTiles<Panel>) _tile_release();
    }
    ByteTilesInUse(const ByteTilesInUse&) = delete;
    ByteTilesInUse& operator=(const ByteTilesInUse&) = delete;
};

/// The sums of one span: rows of a group * one panel.
template <typename Panel>
inline void multiply_span(const QuantRows<Panel>& a, const Panel& w,
                          int32_t (&sums)[Simd::kTileRows][kPanel]) {
    constexpr size_t kRowBytes = sizeof(a.values) / QuantRows<Panel>::kRows;
    const auto* values = reinterpret_cast<const std::byte*>(a.values);
    _tile_zero(0);
    _tile_loadd(2, values, kRowBytes);
    _tile_loadd(4, w.quants, 64);
    _tile_dpbsud(0, 2, 4);
    _tile_loadd(3, values + 64, kRowBytes);
    _tile_loadd(5, w.quants + 1024, 64);
    _tile_dpbsud(0, 3, 5);
    _tile_stored(0, sums, 64);
}

/// R rows of a packed group times a panel. The sums are exact and are scaled in the order of
/// multiply_tile_quant, so that the results are those of the dots to the bit.
template <typename Panel, int R>
void multiply_tile_bytes(const QuantGroup& a, const Panel* w, int pieces, float (*out)[kPanel]) {
    static_assert(kVectors == 1);
    alignas(64) int32_t sums[2][Simd::kTileRows][kPanel];
    F acc[R];
    for (int r = 0; r < R; r++) acc[r] = Simd::zero();
    const auto* span = a.spans<Panel>();
    forget_memory(span);
    for (int i = 0; i < pieces; i++, span++) {
        auto& here = sums[i % 2];
        multiply_span(span->pieces[0], w[i], here);
        const F scale = load_weight(w[i].scales[0]);
        for (int r = 0; r < R; r++) {
            const auto dot = _mm512_add_epi32(_mm512_load_si512(here[r]),
                                              _mm512_set1_epi32(span->pieces[0].corrections[r]));
            acc[r] = Simd::fma(Simd::to_float(dot), scale,
                               Simd::mul(acc[r], Simd::set(span->rescale[r])));
        }
    }
    for (int r = 0; r < R; r++) Simd::store(out[r], Simd::mul(acc[r], Simd::set(a.scales[r])));
}

/// multiply_tile_bytes for a number of rows known only at run time.
template <typename Panel, int R = Simd::kTileRows>
inline void multiply_rows_bytes(int rows, const QuantGroup& a, const Panel* w, int pieces,
                                float (*out)[kPanel]) {
    if constexpr (R > 0) {
        if (rows == R)
            multiply_tile_bytes<Panel, R>(a, w, pieces, out);
        else
            multiply_rows_bytes<Panel, R - 1>(rows, a, w, pieces, out);
    }
}

template <typename Panel>
inline void multiply_byte_tiles(int rows, const QuantGroup& a, const Panel* w, size_t stride,
                                int pieces, int panels, Tile& out) {
    for (int p = 0; p < panels; p++) multiply_rows_bytes(rows, a, w + p * stride, pieces, out[p]);
}

}  // namespace
