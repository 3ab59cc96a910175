// What the prediction networks of some hypotheses have been given so far.
#pragma once

#include <span>
#include <vector>

namespace parrotlet {

/// The states of rows() hypotheses, which a beam copies and gathers. Copies share nothing.
class PredictorState {
  public:
    /// What a network keeps of a hypothesis: cells and outputs of the `layers` of an LSTM, each of
    /// `hidden` values, or the last `history` tokens, which are `blank` at the start.
    struct Shape {
        int layers = 0, hidden = 0, history = 0, blank = 0;
    };

    PredictorState(int rows, const Shape& shape, int joint_hidden)
        : rows_(rows),
          shape_(shape),
          joint_hidden_(joint_hidden),
          cells_(size_t(shape.layers) * rows * shape.hidden),
          hidden_(cells_.size()),
          tokens_(size_t(shape.history) * rows, shape.blank),
          projected_(size_t(rows) * joint_hidden) {}

    int rows() const { return rows_; }
    size_t bytes() const {
        return (cells_.size() + hidden_.size() + projected_.size()) * sizeof(float) +
               tokens_.size() * sizeof(int);
    }

    /// Adds a token to a row's history, whose first one goes. Returns the history, the last token
    /// at its end.
    std::span<const int> push(int row, int token);

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
    size_t offset(int layer) const { return size_t(layer) * rows_ * shape_.hidden; }

    int rows_;
    Shape shape_;
    int joint_hidden_;
    std::vector<float> cells_, hidden_;  ///< [layers, rows, hidden]
    std::vector<int> tokens_;            ///< [rows, history]
    std::vector<float> projected_;
};

}  // namespace parrotlet
