// The operations that exist once per instruction set, as a table of functions.
//
// Every operation has a header that says what it computes and an .inl with the one source of it,
// written in terms of the vector type `Simd` (kernels/isa/simd_*.h). Each kernels/isa/*.cpp
// compiles all .inl files for one instruction set and exports one table; kernels/dispatch.h picks
// one.
#pragma once

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/pack_weights.h"
#include "kernels/peak.h"

namespace parrotlet {

struct KernelTable {
    const char* isa;
    GemmKernel gemm_f32;
    GemmKernel gemm_f16;
    GemmKernel gemm_q8_0;
    GemmKernel gemm_q4, gemm_q5, gemm_q6;  ///< by the bits of their panels
    PackQ8_0Kernel pack_q8_0;
    AttentionKernel attention_f32, attention_f16, attention_q8;  ///< by the panels of keys
    DepthwiseConv1dKernel depthwise_conv1d;
    Conv2dKernel conv2d_first;
    Conv2dKernel depthwise_conv2d;
    LayerNormKernel layer_norm;
    SiluKernel silu;
    ReluAddKernel relu_add;
    TanhAddKernel tanh_add;
    SumExpKernel sum_exp;
    LstmCellKernel lstm_cell;
    PeakKernel peak_f32, peak_signed, peak_wide, peak_narrow;  ///< by the products' arithmetic
    ReadKernel read;
};

const KernelTable& scalar_kernels();
const KernelTable& avx2_kernels();
const KernelTable& avx_vnni_kernels();
const KernelTable& avx512_kernels();
const KernelTable& avx512_vnni_kernels();
const KernelTable& amx_kernels();
const KernelTable& neon_kernels();
const KernelTable& neon_dotprod_kernels();
const KernelTable& neon_i8mm_kernels();

}  // namespace parrotlet
