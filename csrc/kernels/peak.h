// What an instruction set does at most: loops of nothing but the multiply-adds of one kind of
// matrix product (kernels/gemm.h), on values that are in registers, and a loop that reads memory.
#pragma once

#include <cstddef>

namespace parrotlet {

struct PeakKernel {
    size_t work;  ///< multiply-adds of one round

    /// Does `rounds` rounds. The result means nothing, but depends on all of them.
    float (*run)(size_t rounds);
};

/// The sum of x[n]; a remainder of less than some vectors is left out.
using ReadKernel = float (*)(const float* x, size_t n);

}  // namespace parrotlet
