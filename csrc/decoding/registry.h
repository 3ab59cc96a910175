// Searches by the kind of head that they are over.
#pragma once

#include <memory>

#include "decoding/search.h"
#include "heads/head.h"

namespace parrotlet {

/// A search over a head, at its first frame. The head outlives the search.
///
/// Throws std::invalid_argument for a strategy that is not for such heads, a beam of no or too many
/// hypotheses, thresholds that leave none, and a scorer for another vocabulary.
std::unique_ptr<Search> make_search(Context& context, const Head& head,
                                    const SearchOptions& options);

}  // namespace parrotlet
