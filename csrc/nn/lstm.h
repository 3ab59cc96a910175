// torch.nn.LSTM, one step at a time.
#pragma once

#include <string>

#include "nn/weights.h"

namespace parrotlet {

/// One layer of torch.nn.LSTM, one step at a time.
class LstmLayer {
  public:
    LstmLayer(const Weights& weights, int layer, int in, int hidden);

    /// Of the weights, packed.
    size_t bytes() const { return weight_ih_.bytes() + weight_hh_.bytes() + bias_.bytes(); }

    /// Advances cells[rows, hidden] and hidden[rows, hidden], states that do not know of each
    /// other, by inputs x[rows, in].
    void operator()(Context& context, const float* x, int rows, float* cells, float* hidden) const;

  private:
    int hidden_;
    PackedMatrix weight_ih_, weight_hh_;
    Buffer<float> bias_;  ///< of both, summed by the converter
};

}  // namespace parrotlet
