#include "kernels/idle.h"

namespace parrotlet {

namespace {

template <typename... Arguments>
void silence(void (*&function)(Arguments...)) {
    function = [](Arguments...) {};
}

void silence(GemmKernel& gemm) {
    silence(gemm.pack_columns);
    silence(gemm.finish_group);
    silence(gemm.multiply);
}

void silence(AttentionKernel& attention) {
    silence(attention.put_keys);
    silence(attention.put_values);
    silence(attention.drop_rows);
    silence(attention.attend);
}

}  // namespace

KernelTable idle_table(const KernelTable& table) {
    KernelTable idle = table;
    // Every member has to stand here, so that a new operation does not compile until it is idle,
    // too.
    auto& [isa, gemm_f32, gemm_f16, gemm_q8_0, gemm_q4, gemm_q5, gemm_q6, pack_q8_0, attention_f32,
           attention_f16, attention_q8, depthwise_conv1d, conv2d_first, depthwise_conv2d,
           layer_norm, silu, relu_add, tanh_add, sum_exp, lstm_cell, peak_f32, peak_signed,
           peak_wide, peak_narrow, read] = idle;
    const auto silence_all = [](auto&... kernels) { (silence(kernels), ...); };
    silence_all(gemm_f32, gemm_f16, gemm_q8_0, gemm_q4, gemm_q5, gemm_q6);
    silence_all(pack_q8_0);
    silence_all(attention_f32, attention_f16, attention_q8);
    silence_all(depthwise_conv1d, conv2d_first, depthwise_conv2d);
    silence_all(layer_norm, silu, relu_add, tanh_add, lstm_cell);
    // A logarithm is taken of it.
    sum_exp = [](const float*, int, float) { return 1.0f; };
    return idle;
}

}  // namespace parrotlet
