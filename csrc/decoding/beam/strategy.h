// NeMo's search strategies.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace parrotlet {

enum class Strategy { greedy_batch, malsd_batch, maes_batch, beam_batch };

/// By the values of Strategy.
constexpr std::array<std::string_view, 4> kStrategyNames{"greedy_batch", "malsd_batch",
                                                         "maes_batch", "beam_batch"};

constexpr std::string_view name_of(Strategy strategy) {
    return kStrategyNames[static_cast<size_t>(strategy)];
}

}  // namespace parrotlet
