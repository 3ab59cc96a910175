// kernels/peak.h
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/math.inl"
#include "kernels/panels.h"
#include "kernels/peak.h"
#include "kernels/tiles.inl"

namespace {

/// Makes the compiler forget what it knows of a value, or it would compute the products of a loop
/// once, before it. It is read again from the cache, for which the arithmetic does not wait.
template <typename T>
inline void forget(T& value) {
    asm volatile("" : "+m"(value));
}

/// Calls body(i) for i = 0 .. N - 1. Unrolled here, arrays become registers, for which compilers
/// unroll too late; without vectors it stays a loop, of which compilers make some.
template <int N, typename Body>
inline void unrolled(Body body) {
    if constexpr (kWidth == 1)
        for (int i = 0; i < N; i++) body(i);
    else
        [&]<int... I>(std::integer_sequence<int, I...>) {
            (body(I), ...);
        }(std::make_integer_sequence<int, N>());
}

/// Sums that do not wait for each other: a fused multiply-add takes four or five cycles, and two of
/// them start in one.
constexpr int kPeakSums = kWidth == 1 ? 32 : 12;

float peak_f32(size_t rounds) {
    F factor = Simd::set(0.5f), addend = Simd::set(1.0f);  // sums tend to 2
    forget(factor);
    forget(addend);
    F sums[kPeakSums];
    unrolled<kPeakSums>([&](int i) { sums[i] = Simd::set(static_cast<float>(i)); });
    for (size_t r = 0; r < rounds; r++)
        unrolled<kPeakSums>([&](int i) { sums[i] = Simd::fma(sums[i], factor, addend); });
    F total = Simd::zero();
    unrolled<kPeakSums>([&](int i) { total = Simd::add(total, sums[i]); });
    return Simd::sum(total);
}

constexpr parrotlet::PeakKernel peak_f32_kernel() { return {kPeakSums * kWidth, peak_f32}; }

/// Two vectors of weights times rows of activations, a sum for each pair, as in a tile of a
/// matrix product. AVX2 has registers for fewer, and its additions do not need more.
constexpr int kPeakWeights = 2;
template <typename Dot>
constexpr int kPeakRows = kWidth == 8      ? 3
                          : Dot::kRows > 1 ? 8
                                           : 6;

template <typename Dot, bool Nibbles>
inline auto load_peak_weights(const uint8_t* p) {
    if constexpr (Nibbles)
        return Dot::load_low(p);
    else
        return Dot::load(p);
}

template <typename Dot, bool Nibbles>
float peak_bytes(size_t rounds) {
    // As many as a step of kDepth 8 reads of a panel.
    uint8_t ones[8 * parrotlet::kPanel];
    for (uint8_t& one : ones) one = 1;
    auto first = load_peak_weights<Dot, Nibbles>(ones), second = first;
    forget(first);
    forget(second);
    const int8_t alternating[8] = {1, -1, 1, -1, 1, -1, 1, -1};  // the sums stay what they are
    constexpr int kGroups = kPeakRows<Dot> / Dot::kRows;
    typename Dot::Values values[kPeakRows<Dot>];
    for (auto& value : values) value = Dot::make_values(alternating);
    typename Dot::Sum sums[kGroups][kPeakWeights];
    unrolled<kGroups>([&](int g) { sums[g][0] = sums[g][1] = Dot::zero(); });
#pragma GCC unroll 4
    for (size_t r = 0; r < rounds; r++) {
        forget(values);
        unrolled<kGroups>([&](int g) {
            const auto* row = values + g * Dot::kRows;
            sums[g][0] = Dot::add(sums[g][0], first, row, Dot::kRows);
            sums[g][1] = Dot::add(sums[g][1], second, row, Dot::kRows);
        });
    }
    F total = Simd::zero();
    unrolled<kGroups>([&](int g) {
        for (int r = 0; r < Dot::kRows; r++) {
            total = Simd::add(total, Simd::to_float(Dot::finish(sums[g][0], r)));
            total = Simd::add(total, Simd::to_float(Dot::finish(sums[g][1], r)));
        }
    });
    return Simd::sum(total);
}

template <typename Dot, bool Nibbles>
constexpr parrotlet::PeakKernel peak_bytes_kernel() {
    return {Dot::kDepth * kPeakWeights * kPeakRows<Dot> * kWidth, peak_bytes<Dot, Nibbles>};
}

#if defined(PARROTLET_BYTE_TILES)
/// Two tiles of rows times two of columns, a sum for each pair: all eight registers.
float peak_tiles(size_t rounds) {
    const ByteTilesInUse<parrotlet::PanelQ8_0> in_use(Simd::kTileRows);
    alignas(64) int8_t values[Simd::kTileRows][kTileDepth] = {};  // the sums stay what they are
    forget_memory(values);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, values, kTileDepth);
    _tile_loadd(5, values, kTileDepth);
    _tile_loadd(6, values, kTileDepth);
    _tile_loadd(7, values, kTileDepth);
    for (size_t r = 0; r < rounds; r++) {
        _tile_dpbsud(0, 4, 6);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    alignas(64) int32_t sums[Simd::kTileRows][kPanel];
    _tile_stored(0, sums, sizeof(sums[0]));
    _tile_stored(1, sums, sizeof(sums[0]));
    _tile_stored(2, sums, sizeof(sums[0]));
    _tile_stored(3, sums, sizeof(sums[0]));
    forget_memory(sums);
    return static_cast<float>(sums[0][0]);
}
#endif

/// Products of signed bytes, of which q8_0 and attention are made.
constexpr parrotlet::PeakKernel peak_signed_kernel() {
#if defined(PARROTLET_BYTE_TILES)
    return {4 * size_t{Simd::kTileRows} * kPanel * kTileDepth, peak_tiles};
#else
    return peak_bytes_kernel<Simd::WideDot, false>();
#endif
}

float read(const float* x, size_t n) {
    constexpr int kSums = 8;
    F sums[kSums];
    unrolled<kSums>([&](int s) { sums[s] = Simd::zero(); });
    for (size_t i = 0; i + kSums * kWidth <= n; i += kSums * kWidth)
        unrolled<kSums>(
            [&](int s) { sums[s] = Simd::add(sums[s], Simd::load(x + i + s * kWidth)); });
    F total = Simd::zero();
    unrolled<kSums>([&](int s) { total = Simd::add(total, sums[s]); });
    return Simd::sum(total);
}

}  // namespace
