// What memory a computation takes, found by running it without computing.
#pragma once

#include "nn/context.h"

namespace parrotlet {

/// Lends a Context whose arenas count what they are asked for and have no memory, whose kernels do
/// nothing, and whose pool runs some tasks of a loop for all. The same code runs as ever; what it
/// does to memory outside kernels it leaves out when Context::counts().
class Counting {
  public:
    /// As if `threads` were computing with `kernels`.
    Counting(const KernelTable& kernels, int threads);

    Context context() { return {kernels_, pool_, arena_, nullptr, &task_arena_}; }

    /// Scratch memory of a call, and of each thread that takes tasks of it, after all so far.
    const Arena& arena() const { return arena_; }
    const Arena& task_arena() const { return task_arena_; }

  private:
    KernelTable kernels_;
    ThreadPool pool_;
    Arena arena_, task_arena_;
};

}  // namespace parrotlet
