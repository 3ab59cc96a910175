// What every layer computes with.
#pragma once

#include "kernels/kernels.h"
#include "runtime/buffer.h"
#include "runtime/stage_times.h"
#include "runtime/thread_pool.h"

namespace parrotlet {

/// Scratch of the running thread. Throws std::bad_alloc.
Arena& thread_arena();

struct Context {
    const KernelTable& kernels;
    ThreadPool& pool;
    Arena& arena;                 ///< scratch of the calling thread only
    StageTimes* times = nullptr;  ///< what stages add their time to; null when nobody asks
    Arena* counted_tasks = nullptr;

    /// Whether arenas only count (nn/counting.h): their addresses have no memory behind them.
    bool counts() const { return counted_tasks != nullptr; }

    /// Scratch for tasks inside a parallel loop. Take a Scope of it.
    Arena& task_arena() const { return counts() ? *counted_tasks : thread_arena(); }
};

}  // namespace parrotlet
