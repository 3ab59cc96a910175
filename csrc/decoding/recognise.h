// A whole recording: samples in, tokens out.
#pragma once

#include <span>
#include <vector>

#include "decoding/search.h"
#include "models/acoustic_model.h"

namespace parrotlet {

/// What was said, and what else a beam search has found, the best again included.
struct Recognised {
    std::vector<Emission> tokens;
    std::vector<Alternative> alternatives;
};

/// What is chosen of the encoder: its context, and the prompt, which models without any ignore.
struct EncoderChoice {
    AttentionContext attention;
    int prompt = 0;
};

/// Recognises `samples`, at least a frame of them, by a head of the model.
Recognised recognise(const AcousticModel& model, std::span<const float> samples,
                     const EncoderChoice& choice, const Head& head, const SearchOptions& options);

}  // namespace parrotlet
