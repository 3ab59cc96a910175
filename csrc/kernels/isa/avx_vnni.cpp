#include "kernels/isa/simd_avx2.h"
// The instruction set's vector type must come first.
#include "kernels/isa/table.inl"

const parrotlet::KernelTable& parrotlet::avx_vnni_kernels() {
    static constexpr KernelTable kTable = make_table("avx_vnni");
    return kTable;
}
