#include "kernels/attention.h"

#include "kernels/gemm.h"

namespace parrotlet {

size_t attention_scratch(int d, int keys) {
    constexpr size_t kMaxGroup = 16;  // no table computes more queries at once
    const size_t padded = (keys + kPanel - 1) / kPanel * kPanel;
    // Packed queries, scores, scores of positions (the group's spread and alignment on top), and
    // packed softmax weights.
    return kMaxGroup * (d + padded + (padded + kMaxGroup + 2 * kPanel) + padded);
}

}  // namespace parrotlet
