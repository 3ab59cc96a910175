// The best of some scores.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <span>

namespace parrotlet {

/// Index of the largest value, of equal ones the first; 0 where nothing is larger than -infinity.
inline int argmax(std::span<const float> values) {
    // Independent maxima, which the compiler keeps in vectors: of thousands of labels, a search for
    // the index alone would wait for each comparison before the next.
    std::array<float, 16> tops;
    tops.fill(-std::numeric_limits<float>::infinity());
    size_t i = 0;
    for (; i + tops.size() <= values.size(); i += tops.size())
        for (size_t lane = 0; lane < tops.size(); lane++)
            tops[lane] = values[i + lane] > tops[lane] ? values[i + lane] : tops[lane];
    float top = *std::max_element(tops.begin(), tops.end());
    for (; i < values.size(); i++) top = values[i] > top ? values[i] : top;
    const auto found = std::find(values.begin(), values.end(), top);
    return found == values.end() ? 0 : static_cast<int>(found - values.begin());
}

}  // namespace parrotlet
