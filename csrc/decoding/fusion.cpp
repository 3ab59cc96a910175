#include "decoding/fusion.h"

#include <limits>
#include <utility>

#include "decoding/argmax.h"

namespace parrotlet {

Fusion::Fusion(std::shared_ptr<const TokenScorer> scorer, int vocab_size)
    : scorer_(std::move(scorer)) {
    if (scorer_ == nullptr) return;
    require_vocabulary(*scorer_, vocab_size);
    state_ = scorer_->start();
    scores_.resize(vocab_size);
    sums_.resize(vocab_size);
}

int Fusion::best(std::span<const float> own, int excluded) {
    if (!std::exchange(asked_, true)) scorer_->scores(state_, scores_);
    for (size_t token = 0; token < sums_.size(); token++)
        sums_[token] = own[token] + scores_[token];
    if (excluded != kNone) sums_[excluded] = -std::numeric_limits<float>::infinity();
    return argmax(sums_);
}

void Fusion::advance(int token) {
    state_ = scorer_->advance(state_, token);
    asked_ = false;
}

}  // namespace parrotlet
