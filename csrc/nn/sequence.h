// Rows of several sequences that go through a layer together.
//
// The rows of a matrix product do not depend on each other, so all sequences share each product,
// and each gives to the bit what it gives alone. Only attention and convolutions look at which row
// belongs to which sequence.
#pragma once

#include <span>

#include "nn/attention.h"

namespace parrotlet {

/// Consecutive rows of one sequence: a whole recording, or the next frames of a stream. Recordings
/// and streams do not go together.
struct Sequence {
    int rows = 0;
    KeyValueCache* cache = nullptr;   ///< of a stream: the rows are appended to it
    ConvolutionHistory history = {};  ///< of a stream: the last inputs of the convolution
    const KeyRanges* ranges = nullptr;
    PositionPanels positions = {};
};

inline int total_rows(std::span<const Sequence> sequences) {
    int rows = 0;
    for (const Sequence& sequence : sequences) rows += sequence.rows;
    return rows;
}

}  // namespace parrotlet
