// A whole recording: samples in, tokens out.
#pragma once

#include <span>
#include <vector>

#include "decoding/search.h"
#include "models/acoustic_model.h"

namespace parrotlet {

/// The tokens of `samples`, at least a frame of them, by a head of the model.
std::vector<Emission> recognise(const AcousticModel& model, std::span<const float> samples,
                                AttentionContext attention, const Head& head,
                                const SearchOptions& options);

}  // namespace parrotlet
