// Checks of arguments that several functions take.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "bindings/arrays.h"
#include "models/acoustic_model.h"
#include "nn/key_ranges.h"

namespace parrotlet {

inline std::span<const float> checked_samples(const FloatArray& samples) {
    require_rank(samples, 1, "samples");
    return {samples.data(), size_t(samples.size())};
}

inline const Head& named_head(const Heads& heads, const std::string& name) {
    if (const Head* head = heads.find(name)) return *head;
    throw py::value_error("the model has no head '" + name + "'");
}

/// A prompt of the model; 0 for one without.
inline int checked_prompt(const AcousticModel& model, int prompt) {
    if (prompt < 0 || prompt >= std::max(model.prompts(), 1))
        throw py::value_error("the model has " + std::to_string(model.prompts()) +
                              " prompts, and none " + std::to_string(prompt));
    return prompt;
}

inline AttentionContext checked_attention(int left, int right, int chunk = -1) {
    if (left < -1 || right < -1 || chunk < -1 || chunk == 0)
        throw py::value_error("an attention context is -1 (unlimited) or a count of frames");
    return {left, right, chunk};
}

}  // namespace parrotlet
