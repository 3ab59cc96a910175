#include "models/conformer/attention.h"

namespace parrotlet {

RelPositionMultiHeadAttention::RelPositionMultiHeadAttention(const Weights& weights, int d_model,
                                                             int heads, ContextStyle style)
    : d_model_(d_model),
      heads_(heads),
      d_head_(d_model / heads),
      qkv_(weights, std::initializer_list<std::string>{"linear_q", "linear_k", "linear_v"}, d_model,
           d_model),
      linear_pos_(weights, "linear_pos", d_model, d_model),
      linear_out_(weights, "linear_out", d_model, d_model),
      pos_bias_u_(weights.values("pos_bias_u", {size_t(heads), size_t(d_head_)})),
      pos_bias_v_(weights.values("pos_bias_v", {size_t(heads), size_t(d_head_)})) {
    quantised_ = qkv_.quantised() && style == ContextStyle::regular;
}

void RelPositionMultiHeadAttention::project_positions(Context& context, const float* encodings,
                                                      int count, std::byte* panels) const {
    const StageTimer timer(context.times, Stage::attention);
    Arena::Scope scope(context.arena);
    auto* projected = context.arena.allocate<float>(static_cast<size_t>(count) * d_model_);
    linear_pos_(context, encodings, count, projected);
    const size_t head_bytes = head_position_bytes(context, count);
    context.pool.parallel_for(heads_, [&](size_t head) {
        kernel(context).pack_keys(projected + head * d_head_, d_model_, count, d_head_,
                                  panels + head * head_bytes);
    });
}

void RelPositionMultiHeadAttention::operator()(Context& context, const PackedRows& x,
                                               KeyValueCache* cache, const KeyRanges& ranges,
                                               const PositionPanels& positions,
                                               float* residual) const {
    Arena::Scope scope(context.arena);
    const int frames = x.m;
    const size_t d = d_model_, n = frames;
    auto* qkv = context.arena.allocate<float>(n * 3 * d);
    qkv_(context, x, qkv);
    const int first_query = cache != nullptr ? cache->frames() : 0;
    PackedKeyValues packed;
    if (cache != nullptr) {
        cache->append(context.pool, qkv + d, qkv + 2 * d, 3 * d, frames);
        packed = cache->packed();
    } else {
        packed = pack_key_values(context, kernel(context), heads_, d_head_, qkv + d, qkv + 2 * d,
                                 3 * d, frames);
    }

    auto* attended = context.arena.allocate<float>(n * d);
    attend_heads(context, kernel(context), heads_, d_head_,
                 {.q = qkv,
                  .stride = 3 * d,
                  .frames = frames,
                  .first = first_query,
                  .bias_u = pos_bias_u_.data(),
                  .bias_v = pos_bias_v_.data(),
                  .positions = positions},
                 packed, ranges, attended);
    linear_out_(context, attended, frames, residual, {.residual = residual});
}

}  // namespace parrotlet
