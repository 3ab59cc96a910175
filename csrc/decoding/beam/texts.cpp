#include "decoding/beam/texts.h"

#include <algorithm>
#include <utility>

namespace parrotlet {

BeamTexts::BeamTexts(std::shared_ptr<const TokenScorer> scorer, int beam)
    : scorer_(std::move(scorer)),
      tree_({kNone, 0, scorer_ ? scorer_->start() : 0, kNone}),
      slots_(slots_for(beam)),
      scores_(scorer_ ? slots_.size() * scorer_->vocab_size() : 0) {}

int BeamTexts::extend(int text, int token) {
    const int known = find(text, token);
    if (known != kNone) return known;
    const ScorerState state = scorer_ ? scorer_->advance(tree_[text].state, token) : 0;
    return tree_.add(text, {token, tree_[text].tokens + 1, state, kNone});
}

int BeamTexts::find(int text, int token) const {
    return tree_.find(text, [token](const Text& child) { return child.token == token; });
}

const std::vector<int>& BeamTexts::claim(std::span<const int> texts) {
    calls_++;
    claimed_.clear();
    for (const int text : texts)
        if (const int slot = tree_[text].slot; slot != kNone) slots_[slot].used = calls_;
    for (const int text : texts) {
        if (tree_[text].slot != kNone) continue;
        const int slot = free_slot();
        slots_[slot] = {text, calls_};
        tree_[text].slot = slot;
        if (scorer_) {
            const size_t size = scorer_->vocab_size();
            scorer_->scores(tree_[text].state, {scores_.data() + slot * size, size});
        }
        claimed_.push_back(text);
    }
    return claimed_;
}

/// The slot that has not been used for longest.
int BeamTexts::free_slot() {
    const auto oldest = std::min_element(
        slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.used < b.used; });
    const int slot = static_cast<int>(oldest - slots_.begin());
    // The text may be gone, and its number another's.
    if (oldest->text != kNone && tree_[oldest->text].slot == slot) tree_[oldest->text].slot = kNone;
    return slot;
}

std::span<const float> BeamTexts::scores(int text) const {
    if (!scorer_) return {};
    const size_t size = scorer_->vocab_size();
    return {scores_.data() + slot(text) * size, size};
}

double BeamTexts::final_score(int text) const {
    return scorer_ ? scorer_->final_score(tree_[text].state) : 0.0;
}

}  // namespace parrotlet
