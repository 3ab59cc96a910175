#include "kernels/machine_peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "runtime/buffer.h"
#include "runtime/thread_pool.h"

namespace parrotlet {

namespace {

constexpr size_t kReadBytes = size_t{256} << 20;  ///< more than caches hold

/// Systems look for an idle core when a thread starts or wakes up, but may leave two that run on
/// one. So threads are started anew, and sleep between runs: for longer than a pool's poll for
/// work.
constexpr int kPools = 3, kRuns = 4;
constexpr auto kPause = std::chrono::milliseconds(2);

/// A thread's part of a run in pieces, so that one that starts late does fewer of them.
constexpr size_t kPieces = 48;
constexpr double kPieceSeconds = 0.4e-3;

template <typename Body>
double seconds_of(Body body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Calls body(i) for every piece of all threads, several times, and returns the shortest time.
template <typename Body>
double fastest_run(int threads, Body body) {
    double best = 1e9;
    for (int i = 0; i < kPools; i++) {
        ThreadPool pool(threads);
        for (int run = 0; run < kRuns; run++) {
            std::this_thread::sleep_for(kPause);
            best = std::min(best, seconds_of([&] { pool.parallel_for(kPieces * threads, body); }));
        }
    }
    return best;
}

const PeakKernel& peak_kernel(const KernelTable& kernels, TensorType type) {
    switch (type) {
        case TensorType::q8_0: return kernels.peak_signed;
        case TensorType::q6_k:
        case TensorType::q5_k: return kernels.peak_wide;
        case TensorType::q4_k:
        case TensorType::q4_0: return kernels.peak_narrow;
        case TensorType::f16:
        case TensorType::f32: break;
    }
    return kernels.peak_f32;
}

}  // namespace

double peak_products(const KernelTable& kernels, TensorType type, int threads) {
    const PeakKernel& kernel = peak_kernel(kernels, type);
    std::atomic<float> sink = 0.0f;
    size_t rounds = 1000;
    while (seconds_of([&] { sink = kernel.run(rounds); }) < kPieceSeconds) rounds *= 2;
    const double seconds = fastest_run(threads, [&](size_t) { sink = kernel.run(rounds); });
    return static_cast<double>(kernel.work * rounds * kPieces * threads) / seconds;
}

double peak_read(const KernelTable& kernels, int threads) {
    const size_t pieces = kPieces * threads;
    const size_t piece = kReadBytes / sizeof(float) / pieces;
    Buffer<float> memory(piece * pieces);
    ThreadPool(threads).parallel_for(
        pieces, [&](size_t i) { std::fill_n(memory.data() + i * piece, piece, 1.0f); });
    std::atomic<float> sink = 0.0f;
    const double seconds = fastest_run(
        threads, [&](size_t i) { sink = kernels.read(memory.data() + i * piece, piece); });
    return static_cast<double>(memory.size() * sizeof(float)) / seconds;
}

}  // namespace parrotlet
