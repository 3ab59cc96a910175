#include "models/conformer/positions.h"

#include <algorithm>
#include <cmath>

#include "models/conformer/encoder.h"

namespace parrotlet {

void encode_positions(int first, int count, int d_model, float* out) {
    // In single precision, as NeMo computes it: its rounding shows at far positions.
    const auto step = static_cast<float>(-(std::log(10000.0) / d_model));
    for (int r = 0; r < count; r++, out += d_model) {
        const auto position = static_cast<float>(first - r);
        for (int i = 0; i < d_model; i += 2) {
            const float frequency = std::exp(static_cast<float>(i) * step);
            out[i] = std::sin(position * frequency);
            out[i + 1] = std::cos(position * frequency);
        }
    }
}

ProjectedPositions::ProjectedPositions(Context& context, const ConformerEncoder& encoder,
                                       PositionSpan span)
    : span_(span),
      head_bytes_(encoder.layer(0).self_attn().head_position_bytes(context, span.count)),
      layer_bytes_(encoder.config().heads * head_bytes_),
      data_(no_memory<std::byte>()) {
    if (!context.counts()) {
        panels_ = Buffer<std::byte>(encoder.config().layers * layer_bytes_);
        data_ = panels_.data();
    }
    const int d_model = encoder.config().d_model;
    Arena::Scope scope(context.arena);
    auto* encodings = context.arena.allocate<float>(static_cast<size_t>(span.count) * d_model);
    if (!context.counts()) encode_positions(span.first, span.count, d_model, encodings);
    for (int i = 0; i < encoder.config().layers; i++)
        encoder.layer(i).self_attn().project_positions(context, encodings, span.count,
                                                       data_ + i * layer_bytes_);
}

size_t ProjectedPositions::bytes(const Context& context, const ConformerEncoder& encoder,
                                 PositionSpan span) {
    return encoder.config().layers *
           encoder.layer(0).self_attn().position_bytes(context, span.count);
}

std::shared_ptr<const ProjectedPositions> PositionCache::get(Context& context,
                                                             const ConformerEncoder& encoder,
                                                             PositionSpan span) {
    if (context.counts()) {  // as a model that keeps none yet
        if (ProjectedPositions::bytes(context, encoder, span) > kMostBytes) return nullptr;
        return std::make_shared<const ProjectedPositions>(context, encoder, span);
    }
    std::lock_guard lock(mutex_);
    if (widest_ && widest_->span().covers(span)) return widest_;
    if (ProjectedPositions::bytes(context, encoder, span) > kMostBytes) return nullptr;
    if (widest_) {
        // Recordings that are each a little longer than the last shall not each begin anew.
        const int back = span.first - kPositionSlack;
        const int ahead = span.count - span.first - kPositionSlack - 1;
        const PositionSpan wider(std::max(back, back + back / 4),
                                 std::max(ahead, ahead + ahead / 4));
        if (ProjectedPositions::bytes(context, encoder, wider) <= kMostBytes) span = wider;
    }
    widest_.reset();
    widest_ = std::make_shared<const ProjectedPositions>(context, encoder, span);
    return widest_;
}

std::shared_ptr<const ProjectedPositions> StreamPositions::get(Context& context,
                                                               const ConformerEncoder& encoder,
                                                               AttentionContext attention) {
    const PositionSpan span(attention);
    if (context.counts()) return std::make_shared<const ProjectedPositions>(context, encoder, span);
    std::lock_guard lock(mutex_);
    std::shared_ptr<ByContext> known = known_.lock();
    if (!known) known_ = known = std::make_shared<ByContext>();
    const auto [found, _] =
        known->try_emplace({attention.left, attention.right}, context, encoder, span);
    return {known, &found->second};
}

}  // namespace parrotlet
