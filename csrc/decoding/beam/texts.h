// The texts of hypotheses, and what is computed once for each of them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "decoding/beam/prefix_tree.h"
#include "decoding/token_scorer.h"

namespace parrotlet {

/// A tree of token sequences. The same tokens are the same node, however hypotheses came to them:
/// comparing texts is comparing numbers, and what the prediction network and the scorer say of a
/// text is computed once, for every frame at which its last token may have been emitted.
///
/// Such results lie in slots. There are enough for the texts of a beam and some earlier ones.
class BeamTexts {
  public:
    static constexpr int kNone = -1;

    /// For so many hypotheses; `scorer` may be null.
    BeamTexts(std::shared_ptr<const TokenScorer> scorer, int beam);

    static int slots_for(int beam) { return 4 * beam; }

    int root() const { return tree_.root(); }
    int parent(int text) const { return tree_.parent(text); }
    int last_token(int text) const { return tree_[text].token; }
    int64_t tokens(int text) const { return tree_[text].tokens; }

    /// A text with one more token. It must be held before anything is released.
    int extend(int text, int token);

    /// A text with one more token, if there is one; otherwise kNone.
    int find(int text, int token) const;

    void hold(int text) { tree_.hold(text); }
    void release(int text) { tree_.release(text); }

    /// Forgets what all texts that are held have in common.
    void trim() {
        while (tree_.advance_root()) continue;
    }

    /// Gives those of `texts` a slot that have none, and keeps the slots of all of them and of
    /// those in the call before. Returns the texts whose slots are new; the scorer has filled
    /// these.
    const std::vector<int>& claim(std::span<const int> texts);

    int slot(int text) const { return tree_[text].slot; }

    /// What the scorer gives each next token: none without a scorer.
    std::span<const float> scores(int text) const;

    /// What the scorer gives to the text ending here.
    double final_score(int text) const;

    /// What scores have been multiplied by.
    double weight() const { return scorer_ ? scorer_->weight() : 0.0; }

    size_t bytes() const { return scores_.size() * sizeof(float); }

    bool has_scorer() const { return scorer_ != nullptr; }

  private:
    struct Text {
        int token;
        int64_t tokens;
        ScorerState state;
        int slot;
    };

    struct Slot {
        int text = kNone;
        int64_t used = 0;  ///< the last call of claim() that kept it
    };

    int free_slot();

    std::shared_ptr<const TokenScorer> scorer_;
    PrefixTree<Text> tree_;
    std::vector<Slot> slots_;
    std::vector<float> scores_;  ///< [slots, vocabulary]
    std::vector<int> claimed_;
    int64_t calls_ = 0;
};

}  // namespace parrotlet
