#include "kernels/isa/simd_avx512.h"
// The instruction set's vector type must come first.
#include "kernels/isa/table.inl"

const parrotlet::KernelTable& parrotlet::amx_kernels() {
    static constexpr KernelTable kTable = make_table("amx");
    return kTable;
}
