#include "kernels/isa/simd_neon.h"
// The instruction set's vector type must come first.
#include "kernels/isa/table.inl"

const parrotlet::KernelTable& parrotlet::neon_dotprod_kernels() {
    static constexpr KernelTable kTable = make_table("neon_dotprod");
    return kTable;
}
