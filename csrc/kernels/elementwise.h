// Operations on single rows: normalisation, activations, the LSTM cell.
#pragma once

#include <cstddef>

namespace parrotlet {

/// y[r, :] = (x[r, :] - mean) / sqrt(var + eps) * gain + bias over n values per row, biased
/// variance, as torch.nn.LayerNorm. Rows are contiguous; y may be x.
using LayerNormKernel = void (*)(const float* x, const float* gain, const float* bias, float eps,
                                 int rows, int n, float* y);

/// y = x * sigmoid(x), y may be x (torch.nn.SiLU, NeMo's Swish).
using SiluKernel = void (*)(const float* x, size_t n, float* y);

/// y = max(a + b, 0).
using ReluAddKernel = void (*)(const float* a, const float* b, int n, float* y);

/// y = tanh(a + b); y may be either.
using TanhAddKernel = void (*)(const float* a, const float* b, int n, float* y);

/// The sum of e^(x[i] - offset) over n values, where no x[i] is larger than offset.
using SumExpKernel = float (*)(const float* x, int n, float offset);

/// One LSTM step from summed gate pre-activations, gates[4 n] in torch.nn.LSTM's order i, f, g, o:
///   cell = sigmoid(f) * cell + sigmoid(i) * tanh(g);  hidden = sigmoid(o) * tanh(cell).
using LstmCellKernel = void (*)(const float* gates, int n, float* cell, float* hidden);

}  // namespace parrotlet
