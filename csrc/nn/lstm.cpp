#include "nn/lstm.h"

namespace parrotlet {

namespace {

/// Adds torch.nn.LSTM's tensor name for a layer.
std::string lstm_name(const char* kind, int layer) {
    return std::string(kind) + "_l" + std::to_string(layer);
}

}  // namespace

LstmLayer::LstmLayer(const Weights& weights, int layer, int in, int hidden)
    : hidden_(hidden),
      weight_ih_(weights.packed(lstm_name("weight_ih", layer), 4 * hidden, in)),
      weight_hh_(weights.packed(lstm_name("weight_hh", layer), 4 * hidden, hidden)),
      bias_(weights.values(lstm_name("bias", layer), {4 * size_t(hidden)})) {}

void LstmLayer::operator()(Context& context, const float* x, int rows, float* cells,
                           float* hidden) const {
    Arena::Scope scope(context.arena);
    const size_t size = hidden_, gate_count = 4 * size;
    auto* gates = context.arena.allocate<float>(rows * gate_count);
    weight_ih_.multiply(context, x, weight_ih_.k(), rows, gates, gate_count,
                        {.bias = bias_.data()});
    weight_hh_.multiply(context, hidden, size, rows, gates, gate_count, {.residual = gates});
    for (int i = 0; i < rows; i++)
        context.kernels.lstm_cell(gates + i * gate_count, hidden_, cells + i * size,
                                  hidden + i * size);
}

}  // namespace parrotlet
