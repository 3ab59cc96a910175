#include "nn/counting.h"

#include "kernels/idle.h"

namespace parrotlet {

Counting::Counting(const KernelTable& kernels, int threads)
    : kernels_(idle_table(kernels)),
      pool_(ThreadPool::Counts{threads}),
      arena_(Arena::Counts{}),
      task_arena_(Arena::Counts{}) {}

}  // namespace parrotlet
