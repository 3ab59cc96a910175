// Kernels, threads and scratch memory of a model, which all calls of it share.
#pragma once

#include <atomic>

#include "nn/context.h"
#include "runtime/arena_pool.h"

namespace parrotlet {

/// Lends a Context to each call. All methods may be called from several threads at once.
class Executor {
  public:
    /// With the kernels that default_table() names. `threads` as ThreadPool takes it.
    explicit Executor(int threads);

    const KernelTable& kernels() const { return kernels_; }
    ThreadPool& pool() const { return pool_; }
    int threads() const { return pool_.size(); }

    /// Returns body(context), with scratch memory that no other call is using.
    template <typename Body>
    auto run(Body body) const {
        return arenas_.lend([&](Arena& arena) {
            Context context{kernels_, pool_, arena, timing_ ? &times_ : nullptr};
            return body(context);
        });
    }

    /// Frees the scratch memory that no call is using. It is kept for the next ones otherwise: as
    /// many times as calls ever ran at once, each as large as the largest of its calls.
    void release_scratch() const { arenas_.release(); }

    /// Forgets the times of earlier stages and measures those to come, of all calls together.
    void start_timing() const;

    /// Measures no further, and returns what was measured.
    const StageTimes& stop_timing() const;

  private:
    const KernelTable& kernels_;
    mutable ThreadPool pool_;
    mutable ArenaPool arenas_;
    mutable std::atomic<bool> timing_ = false;
    mutable StageTimes times_;
};

}  // namespace parrotlet
