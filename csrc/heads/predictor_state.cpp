#include "heads/predictor_state.h"

#include <algorithm>

namespace parrotlet {

namespace {

/// to[i] = from[rows[i]], for rows of `size` values.
void gather_rows(const float* from, std::span<const int> rows, size_t size, float* to) {
    for (const int row : rows) to = std::copy_n(from + row * size, size, to);
}

/// to[rows[i]] = from[i].
void put_rows(const float* from, std::span<const int> rows, size_t size, float* to) {
    for (const int row : rows) {
        std::copy_n(from, size, to + row * size);
        from += size;
    }
}

}  // namespace

PredictorState PredictorState::gather(std::span<const int> rows) const {
    PredictorState result(static_cast<int>(rows.size()), layers_, hidden_size_, joint_hidden_);
    for (int layer = 0; layer < layers_; layer++) {
        gather_rows(cells_.data() + offset(layer), rows, hidden_size_, result.cells(layer));
        gather_rows(hidden_.data() + offset(layer), rows, hidden_size_, result.hidden(layer));
    }
    gather_rows(projected_.data(), rows, joint_hidden_, result.projected());
    return result;
}

void PredictorState::put(const PredictorState& state, std::span<const int> rows) {
    for (int layer = 0; layer < layers_; layer++) {
        put_rows(state.cells_.data() + state.offset(layer), rows, hidden_size_, cells(layer));
        put_rows(state.hidden_.data() + state.offset(layer), rows, hidden_size_, hidden(layer));
    }
    put_rows(state.projected_.data(), rows, joint_hidden_, projected());
}

}  // namespace parrotlet
