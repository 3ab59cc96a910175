// What is brought from memory while tiles are computed from the second-level cache.
#pragma once

#include <cstddef>

namespace {

/// Asks for memory while a tile is computed, an equal part with each of its steps. Hardware
/// prefetches neither far ahead nor across pages, so that without this the time of memory is added
/// to that of arithmetic; and the loads of a tile wait in the same buffers as what is asked for,
/// which it would fill if it were asked for at once.
class Ahead {
  public:
    Ahead() = default;  ///< asks for nothing new
    Ahead(const std::byte* first, size_t bytes_per_step) : next_(first), part_(bytes_per_step) {}

    /// `Bytes` is what the tile itself reads of weights with this step: no more is asked for.
    template <size_t Bytes>
    void step() {
        for (size_t i = 0; i < Bytes; i += kLine) __builtin_prefetch(next_ + i, 0, 2);
        next_ += part_;
    }

  private:
    static constexpr size_t kLine = 64;
    static constexpr std::byte kNothing{};
    const std::byte* next_ = &kNothing;
    size_t part_ = 0;
};

/// The panels that come after those which are multiplied with all rows, in equal parts for the
/// tiles of these.
class NextPanels {
  public:
    /// `bytes` from `first` on, for `tiles` tiles of `steps` steps.
    NextPanels(const std::byte* first, size_t bytes, int tiles, int steps)
        : next_(first), left_(bytes), steps_(steps) {
        // Products of no rows have no tiles.
        const size_t all = static_cast<size_t>(tiles) * steps, part = bytes / (all + 1) + 1;
        part_ = part > kLeastPart ? part : kLeastPart;
    }

    Ahead next_tile() {
        if (left_ == 0) return {};
        const Ahead ahead(next_, part_);
        const size_t taken = left_ < part_ * steps_ ? left_ : part_ * steps_;
        next_ += taken;
        left_ -= taken;
        return ahead;
    }

  private:
    static constexpr size_t kLeastPart = 16;  // a line every fourth step, until there are no more
    const std::byte* next_;
    size_t left_, steps_, part_;
};

}  // namespace
