#include "decoding/weighted_sum.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace parrotlet {

WeightedSum::WeightedSum(std::vector<Part> parts) : parts_(std::move(parts)) {
    if (parts_.empty()) throw std::invalid_argument("a sum needs at least one scorer");
    for (const Part& part : parts_) {
        if (!std::isfinite(part.weight)) throw std::invalid_argument("a weight is not finite");
        if (part.scorer->vocab_size() != vocab_size())
            throw std::invalid_argument("the scorers are for vocabularies of different sizes");
        if (part.scorer->states() > std::numeric_limits<uint64_t>::max() / states_)
            throw std::invalid_argument("the scorers have too many states together");
        states_ *= part.scorer->states();
        gain_ += std::fabs(part.weight) * part.scorer->gain();
    }
    if (gain_ > kMaxGain) throw std::invalid_argument("the weights are more than 1000000 together");
}

// A state is a number whose digits are the states of the parts, the first part's the lowest.

ScorerState WeightedSum::start() const {
    ScorerState sum = 0;
    uint64_t place = 1;
    for (const Part& part : parts_) {
        sum += part.scorer->start() * place;
        place *= part.scorer->states();
    }
    return sum;
}

void WeightedSum::scores(ScorerState state, std::span<float> out) const {
    std::vector<float> own(parts_.size() > 1 ? out.size() : 0);
    for (size_t i = 0; i < parts_.size(); i++) {
        const auto& [scorer, weight] = parts_[i];
        const std::span<float> to = i == 0 ? out : std::span<float>(own);
        scorer->scores(state % scorer->states(), to);
        for (size_t token = 0; token < out.size(); token++)
            out[token] = i == 0 ? weight * out[token] : out[token] + weight * own[token];
        state /= scorer->states();
    }
}

ScorerState WeightedSum::advance(ScorerState state, int token) const {
    ScorerState sum = 0;
    uint64_t place = 1;
    for (const Part& part : parts_) {
        const uint64_t states = part.scorer->states();
        sum += part.scorer->advance(state % states, token) * place;
        state /= states;
        place *= states;
    }
    return sum;
}

float WeightedSum::final_score(ScorerState state) const {
    float sum = 0;
    for (const Part& part : parts_) {
        sum += part.weight * part.scorer->final_score(state % part.scorer->states());
        state /= part.scorer->states();
    }
    return sum;
}

float WeightedSum::weight() const {
    float sum = 0;
    for (const Part& part : parts_) sum += part.weight * part.scorer->weight();
    return sum;
}

}  // namespace parrotlet
