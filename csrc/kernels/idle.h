// Kernels that do nothing, for finding out what memory a computation takes.
#pragma once

#include "kernels/kernels.h"

namespace parrotlet {

/// The sizes of a table's operands and scratch memory, with functions that touch no memory.
KernelTable idle_table(const KernelTable& table);

}  // namespace parrotlet
