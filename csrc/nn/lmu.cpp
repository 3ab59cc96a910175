#include "nn/lmu.h"

#include <algorithm>
#include <functional>

namespace parrotlet {

namespace {

/// One matrix [rows, columns of both] of two with as many rows, in f32.
PackedMatrix columns_joined(const Buffer<float>& left, const Buffer<float>& right, int rows) {
    const size_t l = left.size() / rows, r = right.size() / rows;
    Buffer<float> both(left.size() + right.size());
    for (int i = 0; i < rows; i++) {
        std::copy_n(left.data() + i * l, l, both.data() + i * (l + r));
        std::copy_n(right.data() + i * r, r, both.data() + i * (l + r) + l);
    }
    return PackedMatrix(both.data(), rows, static_cast<int>(l + r));
}

}  // namespace

LegendreMemory::LegendreMemory(const Weights& weights, int memory)
    : matrix_(columns_joined(weights.values("A", {size_t(memory), size_t(memory)}),
                             weights.values("B", {size_t(memory), 1}), memory)) {}

void LegendreMemory::advance(const KernelTable& kernels, Arena& arena, float* m) const {
    // The product packs its input before it stores, so that the output may replace it.
    matrix_.multiply_serial(kernels, arena, m, matrix_.k(), 1, m, size(), {});
}

LmuCell::LmuCell(const Weights& weights, int in, int hidden, int memory)
    : hidden_(hidden),
      w_x_(weights.packed("W_x", hidden, in)),
      w_h_(weights.packed("W_h", hidden, hidden)),
      w_m_(weights.packed("W_m", hidden, memory)),
      e_x_(weights.values("e_x", {1, size_t(in)}).data(), 1, in),
      e_hm_(columns_joined(weights.values("e_h", {1, size_t(hidden)}),
                           weights.values("e_m", {1, size_t(memory)}), 1)),
      memory_(weights, memory) {}

void LmuCell::operator()(Context& context, const float* x, int frames, LmuState& state,
                         float* y) const {
    Arena::Scope scope(context.arena);
    const size_t hidden = hidden_, in = w_x_.k();
    auto* u = context.arena.allocate<float>(frames);
    auto* from_h = context.arena.allocate<float>(hidden);
    // What no frame waits for: the products of all inputs at once.
    w_x_.multiply(context, x, in, frames, y, hidden, {});
    e_x_.multiply(context, x, in, frames, u, 1, {});

    float *h = state.h(), *m = state.m();
    const KernelTable& kernels = context.kernels;
    // A step has two parts that do not wait for each other: what h adds to the next h, and the
    // memory with what that adds.
    const std::function<void(size_t)> step = [&](size_t part) {
        Arena& arena = context.task_arena();
        if (part == 0) {
            w_h_.multiply_serial(kernels, arena, h, hidden, 1, from_h, hidden, {});
            return;
        }
        float& input = m[memory_.size()];
        e_hm_.multiply_serial(kernels, arena, h, e_hm_.k(), 1, &input, 1, {.residual = u});
        memory_.advance(kernels, arena, m);
        w_m_.multiply_serial(kernels, arena, m, w_m_.k(), 1, y, hidden, {.residual = y});
    };
    for (int t = 0; t < frames; t++, u++, y += hidden) {
        context.pool.parallel_for(2, step);
        if (context.counts()) break;  // the steps are alike
        kernels.tanh_add(y, from_h, hidden_, y);
        std::copy_n(y, hidden, h);
    }
}

LmuFft::LmuFft(const Weights& weights, int in, int hidden, int memory)
    : in_(in),
      w_u_(weights, "W_u", in, 1),
      w_h_(weights, "W_h", memory + in, hidden),
      memory_(weights, memory) {}

void LmuFft::operator()(Context& context, const float* x, int frames, LmuState& state,
                        float* y) const {
    Arena::Scope scope(context.arena);
    const size_t memory = memory_.size(), in = in_;
    auto* u = context.arena.allocate<float>(frames);
    auto* mx = context.arena.allocate<float>(frames * (memory + in));
    w_u_(context, x, frames, u, {.activation = Activation::relu});
    for (int t = 0; t < frames; t++) {
        if (!context.counts()) state.m()[memory] = u[t];
        memory_.advance(context.kernels, context.arena, state.m());
        if (context.counts()) break;  // the steps are alike
        float* row = mx + t * (memory + in);
        std::copy_n(state.m(), memory, row);
        std::copy_n(x + t * in, in, row + memory);
    }
    w_h_(context, mx, frames, y, {.activation = Activation::relu});
}

}  // namespace parrotlet
