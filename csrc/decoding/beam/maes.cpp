#include "decoding/beam/maes.h"

#include <algorithm>
#include <cmath>

namespace parrotlet {

Maes::Maes(Context& context, const Transducer& head, const SearchOptions& options)
    : BeamTransducer(context, head, options, 1 - 1e-6) {}

void Maes::advance(Context& context, const float* encoded, int frames) {
    const size_t hidden = head_->joint_hidden();
    auto* projected = context.arena.allocate<float>(frames * hidden);
    float* logits = allocate_logits(context);
    head_->project_encoder(context, encoded, frames, projected);
    if (context.counts()) return count_step(context, logits);
    for (int i = 0; i < frames; i++) take_frame(context, projected + i * hidden, logits);
}

void Maes::take_frame(Context& context, const float* projected, float* logits) {
    is_open_.assign(options_.size, true);
    for (int i = 0; i < options_.maes_num_steps && offer_open(context, projected, logits); i++) {
        if (i == 0) add_prefixes();
        candidates_.clear();
        for (int member = 0; member < static_cast<int>(beam_.size()); member++) {
            const int offer = offer_of_[member];
            if (offer == kNone)
                candidates_.push_back({beam_[member].score, member, kNone, 0});
            else
                expand(member, offers_[offer]);
        }
        keep_best(candidates_);
        extend_beam();
        predict(context);
    }
    if (offer_open(context, projected, logits)) close();
    settle();
}

bool Maes::offer_open(Context& context, const float* projected, float* logits) {
    open_.clear();
    offer_of_.assign(beam_.size(), kNone);
    for (int i = 0; i < static_cast<int>(beam_.size()); i++) {
        if (!is_open_[i]) continue;
        offer_of_[i] = static_cast<int>(open_.size());
        open_.push_back(i);
    }
    if (open_.empty()) return false;
    at_.assign(open_.size(), projected);
    offer(context, open_, at_, logits);
    return true;
}

void Maes::add_prefixes() {
    scores_.clear();
    for (const Hypothesis& hypothesis : beam_) {
        double score = hypothesis.score;
        for (size_t i = 0; i < beam_.size(); i++) {
            if (hypothesis.text == texts_.root() || texts_.parent(hypothesis.text) != beam_[i].text)
                continue;
            const float token = weighed(offers_[i], texts_.last_token(hypothesis.text));
            if (std::isfinite(token)) score = log_add(score, beam_[i].score + token);
        }
        scores_.push_back(score);
    }
    for (size_t i = 0; i < beam_.size(); i++) beam_[i].score = scores_[i];
}

/// Adds what an open hypothesis may become.
void Maes::expand(int member, const Offer& offer) {
    const Hypothesis& hypothesis = beam_[member];
    top_k(offer.labels, options_.size + options_.maes_expansion_beta, best_);
    // A model that gives no numbers has nothing to say.
    if (best_.empty()) return candidates_.push_back({hypothesis.score, member, blank_, 0});
    const double bar = best_.front().score - options_.maes_expansion_gamma;
    for (const auto& [score, label] : best_) {
        if (score <= bar) break;
        if (label != blank_ && is_in_beam(texts_.find(hypothesis.text, label))) continue;
        candidates_.push_back({hypothesis.score + weighed(offer, label), member, label, 0});
    }
}

bool Maes::is_in_beam(int text) const {
    return text != kNone &&
           std::any_of(beam_.begin(), beam_.end(),
                       [text](const Hypothesis& other) { return other.text == text; });
}

/// Makes the candidates the beam.
void Maes::extend_beam() {
    for (size_t place = 0; place < candidates_.size(); place++) {
        const auto& [score, member, label, duration] = candidates_[place];
        Hypothesis next = beam_[member];
        const bool is_token = label != kNone && label != blank_;
        if (is_token)
            next = extended(next, label, Emission::kNoDuration,
                            confidence(offers_[offer_of_[member]]));
        if (label == blank_) next.frame++;
        next.score = score;
        is_open_[place] = is_open_[place] && is_token;
        hold(next);
        next_.push_back(next);
    }
    replace_beam(next_);
}

/// Gives the blank to the hypotheses that are still open, without the scorer's part.
void Maes::close() {
    for (size_t i = 0; i < open_.size(); i++) {
        Hypothesis& hypothesis = beam_[open_[i]];
        if (std::isfinite(offers_[i].blank)) hypothesis.score += offers_[i].blank;
        hypothesis.frame++;
    }
}

}  // namespace parrotlet
