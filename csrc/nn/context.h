// What every layer computes with.
#pragma once

#include "kernels/kernels.h"
#include "runtime/buffer.h"
#include "runtime/stage_times.h"
#include "runtime/thread_pool.h"

namespace parrotlet {

struct Context {
    const KernelTable& kernels;
    ThreadPool& pool;
    Arena& arena;                 ///< scratch of the calling thread only
    StageTimes* times = nullptr;  ///< what stages add their time to; null when nobody asks
};

/// Scratch of the running thread, for tasks inside a parallel loop. Take a Scope of it.
Arena& thread_arena();

}  // namespace parrotlet
