// What is brought from memory while tiles are computed.
#pragma once

#include <cstddef>

#include "kernels/gemm.h"

namespace {

constexpr size_t kCacheLine = 64;

/// Asks for memory while a tile is computed, an equal part with each of its steps. Hardware
/// prefetches neither far ahead nor across pages, so that without this the time of memory is added
/// to that of arithmetic; and the loads of a tile wait in the same buffers as what is asked for,
/// which it would fill if it were asked for at once.
class Ahead {
  public:
    Ahead() = default;  ///< asks for nothing
    /// From `first` on, and for tiles of two panels at once from `stride` bytes after it, too.
    Ahead(const std::byte* first, size_t stride, size_t bytes_per_step)
        : next_(first), stride_(stride), part_(bytes_per_step) {}

    /// Of a tile of P panels that itself reads `Bytes` of each with this step: no more is asked
    /// for.
    template <int P, size_t Bytes>
    void step() {
        if (part_ == 0) return;
        for (int p = 0; p < P; p++)
            for (size_t i = 0; i < Bytes; i += kCacheLine)
                __builtin_prefetch(next_ + p * stride_ + i, 0, 2);
        next_ += part_;
    }

  private:
    const std::byte* next_ = nullptr;
    size_t stride_ = 0, part_ = 0;
};

/// How tiles go through panels.
struct TileReads {
    size_t panel_bytes;
    int at_once;  ///< panels; more follow one after the other
    int steps;    ///< of Ahead for so many
    int times;    ///< that they are read for a group of rows
    bool nearby;  ///< what one group of rows asks for, see PanelsAhead

    int steps_of(int panels) const { return steps * times * ((panels + at_once - 1) / at_once); }
};

/// What tiles ask for while all groups of rows are multiplied with the panels from `begin` to
/// `end`: as many of the panels that come next, which are in the second-level cache then. One group
/// reads each panel once. It may ask for what it reads a moment later instead, which is less in the
/// way of the prefetching of hardware where tiles take two panels at once, or panels of floats.
class PanelsAhead {
  public:
    PanelsAhead(const parrotlet::GemmArgs& args, const TileReads& reads, int begin, int end,
                int groups)
        : weights_(args.w), reads_(reads), once_(groups == 1 && reads.nearby) {
        const int left = args.panel_end - end, most = end - begin;
        const int first = left > 0 ? end : args.panel_after;
        if (once_ || first < 0) return;
        next_ = args.w + first * reads.panel_bytes;
        stride_ = (left > 0 && left < most ? left : most) * reads.panel_bytes / reads.at_once;
        left_ = stride_;
        // Products of no rows have no steps.
        const size_t steps = static_cast<size_t>(groups) * reads.steps_of(most);
        const size_t part = stride_ / (steps + 1) + 1;
        part_ = part > kLeastPart ? part : kLeastPart;
    }

    /// For the next tile, which is one of `panels` panels from `panel` on.
    Ahead of_tile(int panel, int panels) {
        const size_t bytes = reads_.panel_bytes;
        if (once_) return {weights_ + panel * bytes + kNear, bytes, bytes / reads_.steps};
        if (left_ == 0) return {};
        const Ahead ahead(next_, stride_, part_);
        const size_t most = part_ * reads_.steps_of(panels), taken = left_ < most ? left_ : most;
        next_ += taken;
        left_ -= taken;
        return ahead;
    }

  private:
    static constexpr size_t kLeastPart = 16;  // a line every fourth step, until there are no more
    static constexpr size_t kNear = 2048;     // 4 KB take the same time, 8 KB more
    const std::byte* weights_;
    TileReads reads_;
    bool once_;
    const std::byte* next_ = nullptr;
    size_t stride_ = 0, left_ = 0, part_ = 0;
};

}  // namespace
