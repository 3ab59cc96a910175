// torch.nn.LSTM, one step at a time.
#pragma once

#include <string>

#include "nn/weights.h"

namespace parrotlet {

/// One layer of torch.nn.LSTM, one step at a time.
class LstmLayer {
  public:
    LstmLayer(const Weights& weights, int layer, int in, int hidden);

    /// Advances cell[hidden] and hidden[hidden] by input x[in].
    void operator()(Context& context, const float* x, float* cell, float* hidden) const;

  private:
    int hidden_;
    PackedMatrix weight_ih_, weight_hh_;
    Buffer<float> bias_;  ///< of both, summed by the converter
};

}  // namespace parrotlet
