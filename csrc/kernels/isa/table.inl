// Every kernel for the instruction set whose `Simd` has been included, as one table.
#pragma once

#include "kernels/attention.inl"
#include "kernels/conv.inl"
#include "kernels/elementwise.inl"
#include "kernels/gemm.inl"
#include "kernels/kernels.h"
#include "kernels/pack_weights.inl"
#include "kernels/peak.inl"

namespace {

constexpr parrotlet::KernelTable make_table(const char* isa) {
    return {
        .isa = isa,
        .gemm_f32 = f32_kernel(multiply_f32),
        .gemm_f16 = f32_kernel(multiply_f16),
        .gemm_q8_0 = quant_kernel<parrotlet::PanelQ8_0>(),
        .gemm_q4 = quant_kernel<parrotlet::PanelQ4>(),
        .gemm_q5 = quant_kernel<parrotlet::PanelQ5>(),
        .gemm_q6 = quant_kernel<parrotlet::PanelQ6>(),
        .pack_q8_0 = pack_q8_0,
        .attention_f32 = attention_kernel<FloatPanels<float>>(),
        .attention_f16 = attention_kernel<FloatPanels<uint16_t>>(),
        .attention_q8 = attention_kernel<BytePanels>(),
        .depthwise_conv1d = depthwise_conv1d,
        .conv2d_first = conv2d_first,
        .depthwise_conv2d = depthwise_conv2d,
        .layer_norm = layer_norm,
        .silu = silu,
        .relu_add = relu_add,
        .tanh_add = tanh_add,
        .sum_exp = sum_exp,
        .lstm_cell = lstm_cell,
        .peak_f32 = peak_f32_kernel(),
        .peak_signed = peak_signed_kernel(),
        .peak_wide = peak_bytes_kernel<Simd::WideDot, false>(),
        .peak_narrow = peak_bytes_kernel<Simd::NarrowDot, true>(),
        .read = read,
    };
}

}  // namespace
