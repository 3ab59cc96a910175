// What this machine does at most, measured: what a model's speed is compared with.
#pragma once

#include "kernels/kernels.h"
#include "quant/types.h"

namespace parrotlet {

/// Multiply-adds per second on some threads of the instructions with which the table multiplies
/// weights of a type: the best of some short runs, a quarter of a second in all.
double peak_products(const KernelTable& kernels, TensorType type, int threads);

/// Bytes per second at which some threads read 256 MiB together: the best of some runs. Throws
/// std::bad_alloc.
double peak_read(const KernelTable& kernels, int threads);

}  // namespace parrotlet
