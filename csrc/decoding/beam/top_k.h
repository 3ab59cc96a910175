// The largest of many values, without sorting them.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

namespace parrotlet {

struct Scored {
    float score;
    int index;
};

/// Replaces `best` by the `k` largest values, the largest first, of equal ones the first. What is
/// no number or minus infinity is not among them.
inline void top_k(std::span<const float> values, int k, std::vector<Scored>& best) {
    constexpr size_t kBlock = 16;  // which the compiler compares in vectors
    best.clear();
    float bar = -std::numeric_limits<float>::infinity();  // what a value must be above
    for (size_t first = 0; first < values.size(); first += kBlock) {
        const auto block = values.subspan(first, std::min(kBlock, values.size() - first));
        bool any = false;
        for (const float value : block) any |= value > bar;
        if (!any) continue;
        for (size_t i = 0; i < block.size(); i++) {
            const float value = block[i];
            if (!(value > bar)) continue;
            const auto at = std::find_if(best.begin(), best.end(),
                                         [&](const Scored& one) { return one.score < value; });
            best.insert(at, {value, static_cast<int>(first + i)});
            if (best.size() > static_cast<size_t>(k)) best.pop_back();
            if (best.size() == static_cast<size_t>(k)) bar = best.back().score;
        }
    }
}

}  // namespace parrotlet
