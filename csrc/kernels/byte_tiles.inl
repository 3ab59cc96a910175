// Products of bytes by matrix tiles (Intel AMX): one instruction multiplies 64 values of 16 rows
// with those of 16 columns. Included by kernels/tiles.inl, whose packed groups and results these
// are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {

constexpr int kTileDepth = 64;

/// Panels whose quants go to tiles as they lie in memory. The depth that shares a scale has to be
/// large: sums leave a tile through memory, which for 32 values takes longer than to multiply them.
template <typename Panel>
constexpr bool kHasByteTiles =
    Panel::kBits == 8 && !Panel::kHasMin && Panel::kDepth % kTileDepth == 0;

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

/// The sums of one piece: rows of a group * P panels, `stride` pieces apart.
template <typename Panel, int P>
inline void multiply_piece_tiles(const QuantRows<Panel>& a, const Panel* w, size_t stride,
                                 int32_t (&sums)[P][Simd::kTileRows][kPanel]) {
    constexpr bool kTwo = Panel::kDepth == 2 * kTileDepth;
    static_assert(kTwo || Panel::kDepth == kTileDepth);
    constexpr size_t kRowBytes = Panel::kDepth, kTileBytes = kTileDepth * kPanel;
    const auto* values = reinterpret_cast<const std::byte*>(a.values);
    _tile_loadd(2, values, kRowBytes);
    if constexpr (kTwo) _tile_loadd(3, values + kTileDepth, kRowBytes);
    _tile_zero(0);
    _tile_loadd(4, w->quants, 64);
    _tile_dpbsud(0, 2, 4);
    if constexpr (kTwo) {
        _tile_loadd(5, w->quants + kTileBytes, 64);
        _tile_dpbsud(0, 3, 5);
    }
    if constexpr (P == 2) {
        _tile_zero(1);
        _tile_loadd(6, w[stride].quants, 64);
        _tile_dpbsud(1, 2, 6);
        if constexpr (kTwo) {
            _tile_loadd(7, w[stride].quants + kTileBytes, 64);
            _tile_dpbsud(1, 3, 7);
        }
    }
    _tile_stored(0, sums[0], 64);
    if constexpr (P == 2) _tile_stored(1, sums[1], 64);
}

/// Brings a piece of P panels into the first-level cache.
template <typename Panel, int P>
inline void fetch_piece(const Panel* w, size_t stride) {
    for (int p = 0; p < P; p++) {
        const auto* bytes = reinterpret_cast<const std::byte*>(w + p * stride);
        for (size_t i = 0; i < sizeof(Panel); i += kCacheLine) __builtin_prefetch(bytes + i);
    }
}

/// R rows of a packed group times P panels, `stride` pieces apart. The sums are exact and are
/// scaled in the order of multiply_tile_quant, so that the results are those of the dots to the
/// bit.
///
/// With `fetch`, the next piece is fetched from memory while this one is scaled: the sums go
/// through a tile, memory and registers, which is longer than a processor looks ahead. Without, the
/// scaling of a row is a step of `ahead`.
template <typename Panel, int R, int P>
void multiply_tile_bytes(const QuantGroup& a, const Panel* w, size_t stride, int pieces, bool fetch,
                         Ahead& ahead, float (*out)[kMaxRows][kPanel]) {
    static_assert(kVectors == 1 && P <= 2);
    constexpr int kPieces = QuantSpan<Panel>::kPieces;
    alignas(64) int32_t sums[2][P][Simd::kTileRows][kPanel];
    F acc[P][R];
    for (int p = 0; p < P; p++)
        for (int r = 0; r < R; r++) acc[p][r] = Simd::zero();
    const auto* span = a.spans<Panel>();
    forget_memory(span);
    for (int i = 0; i < pieces; i++, w++) {
        const bool first = i % kPieces == 0;  // of its span
        const QuantRows<Panel>& piece = span[i / kPieces].pieces[i % kPieces];
        auto& here = sums[i % 2];
        // After the last piece of these panels comes the first of the next ones.
        if (fetch) fetch_piece<Panel, P>(i + 1 < pieces ? w + 1 : w + 1 + (P - 1) * stride, stride);
        multiply_piece_tiles<Panel, P>(piece, w, stride, here);
        for (int p = 0; p < P; p++) {
            const F scale = load_weight(w[p * stride].scales[0]);
            for (int r = 0; r < R; r++) {
                if (!fetch) ahead.step<1, 64>();
                const auto dot = _mm512_add_epi32(_mm512_load_si512(here[p][r]),
                                                  _mm512_set1_epi32(piece.corrections[r]));
                if (first)
                    acc[p][r] = Simd::mul(acc[p][r], Simd::set(span[i / kPieces].rescale[r]));
                acc[p][r] = Simd::fma(Simd::to_float(dot), scale, acc[p][r]);
            }
        }
    }
    for (int p = 0; p < P; p++)
        for (int r = 0; r < R; r++)
            Simd::store(out[p][r], Simd::mul(acc[p][r], Simd::set(a.scales[r])));
}

/// A group's rows times one panel or two; `fetch` as for multiply_tile_bytes. Two panels at once
/// read the activations once, and take longer for it where both lie in the cache.
template <typename Panel>
inline void multiply_byte_tiles(int rows, const QuantGroup& a, const Panel* w, size_t stride,
                                int pieces, int panels, bool fetch, Ahead ahead, Tile& out) {
    with_rows<Simd::kTileRows>(rows, [&]<int R>() {
        if (panels == 2 && fetch)
            return multiply_tile_bytes<Panel, R, 2>(a, w, stride, pieces, fetch, ahead, out);
        for (int p = 0; p < panels; p++)
            multiply_tile_bytes<Panel, R, 1>(a, w + p * stride, stride, pieces, fetch, ahead,
                                             out + p);
    });
}

}  // namespace
