#include "decoding/beam/malsd.h"

#include <algorithm>
#include <cmath>

namespace parrotlet {

Malsd::Malsd(Context& context, const Transducer& head, const SearchOptions& options)
    : BeamTransducer(context, head, options, 0.99), max_symbols_(symbols_limit(options)) {}

void Malsd::advance(Context& context, const float* encoded, int frames) {
    const size_t hidden = head_->joint_hidden();
    const size_t held = context.counts() ? most_held() : held_.size();
    auto* projected = context.arena.allocate<float>(held + frames * hidden);
    float* logits = allocate_logits(context);
    std::copy(held_.begin(), held_.end(), projected);
    head_->project_encoder(context, encoded, frames, projected + held);
    if (context.counts()) return count_step(context, logits);
    seen_ += frames;
    // A hypothesis beyond the frames taken is either finished or not: that depends on what follows.
    const auto is_waiting = [this](const Hypothesis& h) { return h.frame >= seen_; };
    while (std::none_of(beam_.begin(), beam_.end(), is_waiting)) step(context, projected, logits);
    const int64_t needed = std::min(first_needed(), seen_);
    held_.assign(projected + (needed - first_) * hidden, projected + (seen_ - first_) * hidden);
    first_ = needed;
}

void Malsd::conclude(Context& context) {
    Arena::Scope scope(context.arena);
    float* logits = allocate_logits(context);
    while (first_needed() < seen_) step(context, held_.data(), logits);
}

int64_t Malsd::first_needed() const {
    return std::min_element(beam_.begin(), beam_.end(), is_behind)->frame;
}

void Malsd::drop_lagging() {
    const int64_t foremost = std::max_element(beam_.begin(), beam_.end(), is_behind)->frame;
    drop([=](const Hypothesis& hypothesis) { return foremost - hypothesis.frame > kMostLag; });
}

void Malsd::step(Context& context, const float* projected, float* logits) {
    members_.clear();
    at_.clear();
    candidates_.clear();
    offer_of_.assign(beam_.size(), kNone);
    for (int i = 0; i < static_cast<int>(beam_.size()); i++) {
        const Hypothesis& hypothesis = beam_[i];
        if (hypothesis.frame < seen_) {
            offer_of_[i] = static_cast<int>(members_.size());
            members_.push_back(i);
            at_.push_back(projected + (hypothesis.frame - first_) * head_->joint_hidden());
        } else {
            candidates_.push_back({hypothesis.score, i, kNone, 0});
        }
    }
    offer(context, members_, at_, logits);
    for (size_t i = 0; i < members_.size(); i++) expand(members_[i], offers_[i]);
    keep_best(candidates_);
    extend_beam();
    drop_lagging();
    predict(context);
    settle();
}

/// Adds the best that a hypothesis may become.
void Malsd::expand(int member, const Offer& offer) {
    const Hypothesis& hypothesis = beam_[member];
    const auto& durations = head_->durations();
    const size_t first = candidates_.size();
    const auto add = [&](double score, int label, int duration) {
        if (std::isfinite(score))
            candidates_.push_back({hypothesis.score + score, member, label, duration});
    };
    find_best(offer, options_.size);
    for (const auto& [score, label] : best_) {
        if (durations.empty()) add(score, label, label == blank_);
        for (size_t i = 0; i < durations.size(); i++)
            add(double{score} + offer.durations[i], label, durations[i]);
    }
    if (candidates_.size() > first && hypothesis.here >= max_symbols_) {
        // Only the blank is left, which moves by as much as the best of all would have.
        const auto best = std::max_element(
            candidates_.begin() + first, candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.score < b.score; });
        const int duration = best->duration;
        candidates_.resize(first);
        double score = offer.labels[blank_];
        if (!durations.empty())
            score += *std::max_element(offer.durations.begin(), offer.durations.end());
        add(score, blank_, duration);
    }
    // A model that gives no numbers has nothing to say.
    if (candidates_.size() == first) candidates_.push_back({hypothesis.score, member, blank_, 1});
}

/// Makes the candidates the beam.
void Malsd::extend_beam() {
    for (const Candidate& candidate : candidates_) {
        const Hypothesis& from = beam_[candidate.from];
        const int label = candidate.label;
        const bool is_token = label != kNone && label != blank_;
        const int moved = label == blank_ ? std::max(candidate.duration, 1) : candidate.duration;
        const int text = is_token ? texts_.extend(from.text, label) : from.text;
        if (join_equal(candidate, text, from.frame + moved)) continue;
        Hypothesis next = from;
        if (is_token) {
            const int duration = head_->durations().empty() ? Emission::kNoDuration : moved;
            next = extended(from, label, duration, confidence(offers_[offer_of_[candidate.from]]));
        }
        next.score = candidate.score;
        next.frame += moved;
        if (label != kNone) next.here = is_token && moved == 0 ? from.here + 1 : 0;
        hold(next);
        next_.push_back(next);
    }
    replace_beam(next_);
}

/// Adds the candidate's probability to that of an equal hypothesis, which is a better one, if there
/// is one. Equal ones of TDT have to be at the same frame, too.
bool Malsd::join_equal(const Candidate& candidate, int text, int64_t frame) {
    for (Hypothesis& other : next_) {
        if (other.text != text || (!head_->durations().empty() && other.frame != frame)) continue;
        other.score = log_add(other.score, candidate.score);
        return true;
    }
    return false;
}

}  // namespace parrotlet
