#include "heads/predictor_state.h"

#include <algorithm>

namespace parrotlet {

namespace {

/// to[i] = from[rows[i]], for rows of `size` values.
template <typename T>
void gather_rows(const T* from, std::span<const int> rows, size_t size, T* to) {
    for (const int row : rows) to = std::copy_n(from + row * size, size, to);
}

/// to[rows[i]] = from[i].
template <typename T>
void put_rows(const T* from, std::span<const int> rows, size_t size, T* to) {
    for (const int row : rows) {
        std::copy_n(from, size, to + row * size);
        from += size;
    }
}

}  // namespace

std::span<const int> PredictorState::push(int row, int token) {
    const std::span<int> history(tokens_.data() + size_t(row) * shape_.history, shape_.history);
    std::shift_left(history.begin(), history.end(), 1);
    history.back() = token;
    return history;
}

PredictorState PredictorState::gather(std::span<const int> rows) const {
    PredictorState result(static_cast<int>(rows.size()), shape_, joint_hidden_);
    for (int layer = 0; layer < shape_.layers; layer++) {
        gather_rows(cells_.data() + offset(layer), rows, shape_.hidden, result.cells(layer));
        gather_rows(hidden_.data() + offset(layer), rows, shape_.hidden, result.hidden(layer));
    }
    gather_rows(tokens_.data(), rows, shape_.history, result.tokens_.data());
    gather_rows(projected_.data(), rows, joint_hidden_, result.projected());
    return result;
}

void PredictorState::put(const PredictorState& state, std::span<const int> rows) {
    for (int layer = 0; layer < shape_.layers; layer++) {
        put_rows(state.cells_.data() + state.offset(layer), rows, shape_.hidden, cells(layer));
        put_rows(state.hidden_.data() + state.offset(layer), rows, shape_.hidden, hidden(layer));
    }
    put_rows(state.tokens_.data(), rows, shape_.history, tokens_.data());
    put_rows(state.projected_.data(), rows, joint_hidden_, projected());
}

}  // namespace parrotlet
