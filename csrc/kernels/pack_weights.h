// Rows of quantised weights as panels of a product.
#pragma once

#include <cstddef>

#include "kernels/panels.h"

namespace parrotlet {

/// Packs up to kPanel rows of `blocks` blocks of q8_0 each (quant/blocks.h) as the columns of
/// panels, ceil(blocks * kBlock / kSpan) of them; a null row is a column of zeros.
///
/// The blocks of a span get its largest scale; their quants become round(quant * ratio), where
/// ratio is from the block's scale to that one, in units of 2^-15. Every table gives the same bits.
using PackQ8_0Kernel = void (*)(const std::byte* const* rows, int blocks, PanelQ8_0* panels);

}  // namespace parrotlet
