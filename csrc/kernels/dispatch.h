// Which instruction sets this machine runs, and which kernel table is used.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace parrotlet {

/// Tables that this CPU can run, slowest first; "scalar" is always among them.
const std::vector<const KernelTable*>& available_tables();

/// The table named `isa`. Throws std::invalid_argument listing what is available.
const KernelTable& table_named(const std::string& isa);

/// The fastest available table, or the one $PARROTLET_ISA names. Read anew at every call, so
/// that a model loaded later may use another.
const KernelTable& default_table();

}  // namespace parrotlet
