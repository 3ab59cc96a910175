// NeMo's search strategies.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace parrotlet {

enum class Strategy { greedy_batch, malsd_batch, maes_batch, beam_batch };

/// By the values of Strategy.
constexpr std::array<std::string_view, 4> kStrategyNames{"greedy_batch", "malsd_batch",
                                                         "maes_batch", "beam_batch"};

constexpr std::string_view name_of(Strategy strategy) {
    return kStrategyNames[static_cast<size_t>(strategy)];
}

/// Strategies over a kind of head: the greedy one, the one of a beam unless told, others.
struct HeadStrategies {
    std::string_view head;
    std::span<const Strategy> strategies;

    bool has(Strategy strategy) const {
        return std::find(strategies.begin(), strategies.end(), strategy) != strategies.end();
    }
};

constexpr Strategy kOfCtc[]{Strategy::greedy_batch, Strategy::beam_batch};
constexpr Strategy kOfRnnt[]{Strategy::greedy_batch, Strategy::malsd_batch, Strategy::maes_batch};
constexpr Strategy kOfTdt[]{Strategy::greedy_batch, Strategy::malsd_batch};
constexpr Strategy kOfMultiBlank[]{Strategy::greedy_batch};

constexpr HeadStrategies kCtcStrategies{"ctc", kOfCtc};
constexpr HeadStrategies kRnntStrategies{"rnnt", kOfRnnt};
constexpr HeadStrategies kTdtStrategies{"tdt", kOfTdt};
constexpr HeadStrategies kMultiBlankStrategies{"multi-blank rnnt", kOfMultiBlank};

}  // namespace parrotlet
