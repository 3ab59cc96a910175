#include "kernels/isa/simd_scalar.h"
// The instruction set's vector type must come first.
#include "kernels/isa/table.inl"

const parrotlet::KernelTable& parrotlet::scalar_kernels() {
    static constexpr KernelTable kTable = make_table("scalar");
    return kTable;
}
