// What the prediction networks of some hypotheses have been given so far.
#pragma once

#include <span>
#include <vector>

namespace parrotlet {

/// The states of rows() hypotheses, which a beam copies and gathers. Copies share nothing.
class PredictorState {
  public:
    PredictorState(int rows, int layers, int hidden, int joint_hidden)
        : rows_(rows),
          layers_(layers),
          hidden_size_(hidden),
          joint_hidden_(joint_hidden),
          cells_(size_t(layers) * rows * hidden),
          hidden_(cells_.size()),
          projected_(size_t(rows) * joint_hidden) {}

    int rows() const { return rows_; }
    size_t bytes() const {
        return (cells_.size() + hidden_.size() + projected_.size()) * sizeof(float);
    }

    /// [rows, hidden]: the LSTM's state of one layer.
    float* cells(int layer) { return cells_.data() + offset(layer); }
    float* hidden(int layer) { return hidden_.data() + offset(layer); }

    /// [rows, joint_hidden]: the joint's projection of the network's output.
    float* projected() { return projected_.data(); }
    const float* projected() const { return projected_.data(); }

    /// The state whose row i is row rows[i] of this one; a row may be taken more than once.
    PredictorState gather(std::span<const int> rows) const;

    /// Makes row i of `state` row rows[i] of this one.
    void put(const PredictorState& state, std::span<const int> rows);

  private:
    size_t offset(int layer) const { return size_t(layer) * rows_ * hidden_size_; }

    int rows_, layers_, hidden_size_, joint_hidden_;
    std::vector<float> cells_, hidden_;  ///< [layers, rows, hidden]
    std::vector<float> projected_;
};

}  // namespace parrotlet
