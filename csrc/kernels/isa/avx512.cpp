#include "kernels/isa/simd_avx512.h"
// The instruction set's vector type must come first.
#include "kernels/isa/table.inl"

const parrotlet::KernelTable& parrotlet::avx512_kernels() {
    static constexpr KernelTable kTable = make_table("avx512");
    return kTable;
}
