// Legendre Memory Units: a recurrent layer whose memory holds the recent past of one signal u as
// coefficients of Legendre polynomials (Voelker, Kajic and Eliasmith 2019, "Legendre Memory Units:
// Continuous-Time Representation in Recurrent Neural Networks").
#pragma once

#include <vector>

#include "nn/layers.h"

namespace parrotlet {

/// What the layers know of the past: h, then [m, u].
class LmuState {
  public:
    LmuState(int hidden, int memory) : hidden_(hidden), values_(hidden + memory + 1) {}

    float* h() { return values_.data(); }
    /// The memory and, after it, its newest input: what the next memory is a product of.
    float* m() { return h() + hidden_; }

  private:
    size_t hidden_;
    std::vector<float> values_;  ///< all zero before the first frame
};

/// The state-space memory (equation 4): m = A m + B u.
class LegendreMemory {
  public:
    /// Reads A [memory, memory] and B [memory, 1], discretised, always in f32.
    LegendreMemory(const Weights& weights, int memory);

    int size() const { return matrix_.n(); }
    size_t bytes() const { return matrix_.bytes(); }

    /// [m, u] -> [A m + B u, u]. On the calling thread alone.
    void advance(const KernelTable& kernels, Arena& arena, float* m) const;

  private:
    PackedMatrix matrix_;  ///< [memory, memory + 1]: A, then B as the last column
};

/// A layer of Legendre Memory Units.
class LmuLayer {
  public:
    virtual ~LmuLayer() = default;

    virtual size_t bytes() const = 0;  ///< of the weights, packed

    /// y[frames, hidden] from x[frames, in], the first of which follows what `state` has seen.
    virtual void operator()(Context& context, const float* x, int frames, LmuState& state,
                            float* y) const = 0;
};

/// The cell of the paper (equations 4, 6 and 7):
///   u = e_x x + e_h h + e_m m;  m = A m + B u;  h = tanh(W_x x + W_h h + W_m m).
class LmuCell : public LmuLayer {
  public:
    LmuCell(const Weights& weights, int in, int hidden, int memory);
    size_t bytes() const override {
        return w_x_.bytes() + w_h_.bytes() + w_m_.bytes() + e_x_.bytes() + e_hm_.bytes() +
               memory_.bytes();
    }
    void operator()(Context& context, const float* x, int frames, LmuState& state,
                    float* y) const override;

  private:
    int hidden_;
    PackedMatrix w_x_, w_h_, w_m_;
    PackedMatrix e_x_;   ///< [1, in]
    PackedMatrix e_hm_;  ///< [1, hidden + memory]: e_h, then e_m
    LegendreMemory memory_;
};

/// The layer that is trained in parallel, by FFT (Chilkuri and Eliasmith 2021, "Parallelizing
/// Legendre Memory Unit Training", equations 18 to 20):
///   u = relu(W_u x);  m = the causal convolution of u with A^k B;  h = relu(W_h [m, x]).
/// Only the memory is recurrent; the convolution is that recurrence written out.
class LmuFft : public LmuLayer {
  public:
    LmuFft(const Weights& weights, int in, int hidden, int memory);
    size_t bytes() const override { return w_u_.bytes() + w_h_.bytes() + memory_.bytes(); }
    void operator()(Context& context, const float* x, int frames, LmuState& state,
                    float* y) const override;

  private:
    int in_;
    Linear w_u_, w_h_;
    LegendreMemory memory_;
};

}  // namespace parrotlet
