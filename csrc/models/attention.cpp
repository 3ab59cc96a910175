#include "models/attention.h"

#include <algorithm>
#include <cmath>

namespace parrotlet {

KeyRanges::KeyRanges(ContextStyle style, AttentionContext context, int frames)
    : begin_(frames), end_(frames) {
    const bool chunked = style == ContextStyle::chunked_limited && context.right >= 0;
    const int chunk = context.right + 1;
    for (int i = 0; i < frames; i++) {
        int begin = context.left >= 0 ? i - context.left : 0;
        int end = context.right >= 0 ? i + context.right + 1 : frames;
        if (chunked) {
            const int own = i / chunk;
            begin = context.left >= 0 ? (own - context.left / chunk) * chunk : 0;
            end = (own + 1) * chunk;
        }
        begin_[i] = std::max(begin, 0);
        end_[i] = std::min(end, frames);
        farthest_back_ = std::max(farthest_back_, i - begin_[i]);
        farthest_ahead_ = std::max(farthest_ahead_, end_[i] - 1 - i);
    }
}

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

RelPositionMultiHeadAttention::RelPositionMultiHeadAttention(const Weights& weights, int d_model,
                                                             int heads)
    : d_model_(d_model),
      heads_(heads),
      d_head_(d_model / heads),
      qkv_(weights, std::initializer_list<std::string>{"linear_q", "linear_k", "linear_v"}, d_model,
           d_model),
      linear_pos_(weights, "linear_pos", d_model, d_model),
      linear_out_(weights, "linear_out", d_model, d_model),
      pos_bias_u_(weights.values("pos_bias_u", {size_t(heads), size_t(d_head_)})),
      pos_bias_v_(weights.values("pos_bias_v", {size_t(heads), size_t(d_head_)})) {}

void RelPositionMultiHeadAttention::operator()(Context& context, const float* x, int frames,
                                               const KeyRanges& ranges,
                                               const RelativePositions& positions,
                                               float* residual) const {
    Arena& arena = context.arena;
    Arena::Scope scope(arena);
    const size_t d = d_model_, n = frames;
    auto* qkv = arena.allocate<float>(n * 3 * d);
    qkv_(context, x, frames, qkv);
    auto* projected = arena.allocate<float>(positions.count * d);
    linear_pos_(context, positions.encodings, positions.count, projected);

    // Keys and positions become the columns of one product, values those of another.
    const size_t k_size = panel_floats(frames, d_head_), v_size = panel_floats(d_head_, frames),
                 p_size = panel_floats(positions.count, d_head_);
    auto* k = arena.allocate<float>(heads_ * k_size);
    auto* v = arena.allocate<float>(heads_ * v_size);
    auto* p = arena.allocate<float>(heads_ * p_size);
    context.pool.parallel_for(heads_, [&](size_t h) {
        const size_t column = h * d_head_;
        pack_panels(qkv + d + column, 3 * d, frames, d_head_, k + h * k_size);
        pack_columns(qkv + 2 * d + column, 3 * d, frames, d_head_, v + h * v_size);
        pack_panels(projected + column, d, positions.count, d_head_, p + h * p_size);
    });

    auto* attended = arena.allocate<float>(n * d);
    const size_t tiles = (n + kQueryTile - 1) / kQueryTile;
    context.pool.parallel_for(heads_ * tiles, [&](size_t task) {
        const size_t h = task / tiles, column = h * d_head_;
        const int first = static_cast<int>(task % tiles) * kQueryTile;
        Arena& scratch = thread_arena();
        Arena::Scope tile_scope(scratch);
        context.kernels.attention({
            .q = qkv + first * 3 * d + column,
            .q_stride = 3 * d,
            .bias_u = pos_bias_u_.data() + column,
            .bias_v = pos_bias_v_.data() + column,
            .k = k + h * k_size,
            .v = v + h * v_size,
            .p = p + h * p_size,
            .y = attended + first * d + column,
            .y_stride = d,
            .d = d_head_,
            .keys = frames,
            .queries = std::min(kQueryTile, frames - first),
            .query_index = first,
            .positions = positions.count,
            .p_first = positions.first,
            .key_begin = ranges.begin() + first,
            .key_end = ranges.end() + first,
            .scratch = scratch.allocate<float>(attention_scratch(d_head_, frames)),
        });
    });
    linear_out_(context, attended, frames, residual, {.residual = residual});
}

}  // namespace parrotlet
