#include "kernels/attention.h"

#include "kernels/gemm.h"

namespace parrotlet {

size_t attention_scratch(int d, int keys) {
    constexpr size_t kMaxGroup = 16;  // no table computes more queries at once
    const auto whole_panels = [](int n) { return size_t(n + kPanel - 1) / kPanel * kPanel; };
    const size_t padded = whole_panels(keys);
    // Packed queries or their results, scores, scores of positions (the group's spread and
    // alignment on top), and packed softmax weights.
    return kMaxGroup * (whole_panels(d) + padded + (padded + kMaxGroup + 2 * kPanel) + padded);
}

}  // namespace parrotlet
