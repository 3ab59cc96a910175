// kernels/peak.h

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

/// Two vectors of weights times quads of activations, a sum for each pair, as in a tile of a
/// matrix product. AVX2 has registers for fewer, and its additions do not need more.
constexpr int kPeakWeights = 2, kPeakQuads = kWidth == 8 ? 3 : 6;

template <typename Dot, bool Nibbles>
inline auto load_peak_weights(const uint8_t* p) {
    if constexpr (Nibbles)
        return Dot::load_low(p);
    else
        return Dot::load(p);
}

template <typename Dot, bool Nibbles>
float peak_bytes(size_t rounds) {
    uint8_t ones[4 * kWidth];
    for (int i = 0; i < 4 * kWidth; i++) ones[i] = 1;
    auto first = load_peak_weights<Dot, Nibbles>(ones), second = first;
    forget(first);
    forget(second);
    const int8_t alternating[4] = {1, -1, 1, -1};  // the sums stay what they are
    typename Dot::Quad quads[kPeakQuads];
    for (int q = 0; q < kPeakQuads; q++) quads[q] = Dot::make_quad(alternating);
    typename Dot::Sum sums[kPeakQuads][kPeakWeights];
    unrolled<kPeakQuads>([&](int q) { sums[q][0] = sums[q][1] = Dot::start(1); });
#pragma GCC unroll 4
    for (size_t r = 0; r < rounds; r++) {
        forget(quads);
        unrolled<kPeakQuads>([&](int q) {
            sums[q][0] = Dot::add(sums[q][0], first, &quads[q]);
            sums[q][1] = Dot::add(sums[q][1], second, &quads[q]);
        });
    }
    F total = Simd::zero();
    unrolled<kPeakQuads>([&](int q) {
        total = Simd::add(total, Simd::to_float(Dot::finish(sums[q][0])));
        total = Simd::add(total, Simd::to_float(Dot::finish(sums[q][1])));
    });
    return Simd::sum(total);
}

template <typename Dot, bool Nibbles>
constexpr parrotlet::PeakKernel peak_bytes_kernel() {
    return {4 * kPeakWeights * kPeakQuads * kWidth, peak_bytes<Dot, Nibbles>};
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
