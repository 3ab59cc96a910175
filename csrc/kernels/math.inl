// Transcendental functions on vectors, of the instruction set's `Simd`.
#pragma once

#include "kernels/isa/simd.h"

namespace {

using F = Simd::F;
constexpr int kWidth = Simd::kWidth;

/// e^x to about 1 ulp for x in [-87, 88]; arguments beyond are clamped. x = n ln 2 + r, and a
/// polynomial of e^r on |r| <= ln 2 / 2 (the minimax coefficients of Cephes' expf).
inline F exp(F x) {
    x = Simd::min(Simd::max(x, Simd::set(-87.0f)), Simd::set(88.0f));
    const F n = Simd::round(Simd::mul(x, Simd::set(1.44269504f)));
    F r = Simd::fma(n, Simd::set(-0.693359375f), x);  // ln 2 in two parts: the first is exact
    r = Simd::fma(n, Simd::set(2.12194440e-4f), r);
    F p = Simd::set(1.9875691500e-4f);
    p = Simd::fma(p, r, Simd::set(1.3981999507e-3f));
    p = Simd::fma(p, r, Simd::set(8.3334519073e-3f));
    p = Simd::fma(p, r, Simd::set(4.1665795894e-2f));
    p = Simd::fma(p, r, Simd::set(1.6666665459e-1f));
    p = Simd::fma(p, r, Simd::set(5.0000001201e-1f));
    p = Simd::fma(Simd::mul(p, r), r, r);
    return Simd::mul(Simd::add(p, Simd::set(1.0f)), Simd::exp2_int(n));
}

inline F sigmoid(F x) {
    const F one = Simd::set(1.0f);
    return Simd::div(one, Simd::add(one, exp(Simd::sub(Simd::zero(), x))));
}

inline F tanh(F x) {
    return Simd::sub(Simd::mul(Simd::set(2.0f), sigmoid(Simd::add(x, x))), Simd::set(1.0f));
}

/// Calls body(i, lanes) for i = 0, kWidth, ... below n; lanes < kWidth at the end only.
template <typename Body>
inline void for_lanes(int n, Body body) {
    int i = 0;
    for (; i + kWidth <= n; i += kWidth) body(i, kWidth);
    if (i < n) body(i, n - i);
}

inline F load_lanes(const float* p, int lanes) {
    return lanes == kWidth ? Simd::load(p) : Simd::load_n(p, lanes);
}

inline void store_lanes(float* p, F v, int lanes) {
    if (lanes == kWidth)
        Simd::store(p, v);
    else
        Simd::store_n(p, v, lanes);
}

}  // namespace
