#include "models/conformer/attention.h"

#include <vector>

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
    if (qkv_.quantised() && style != ContextStyle::chunked_limited)
        kernel_ = &KernelTable::attention_q8;
    else
        kernel_ = qkv_.exact() ? &KernelTable::attention_f32 : &KernelTable::attention_f16;
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
                                               std::span<const Sequence> sequences,
                                               float* residual) const {
    Arena::Scope scope(context.arena);
    const size_t d = d_model_, n = x.m;
    auto* qkv = context.arena.allocate<float>(n * 3 * d);
    qkv_(context, x, qkv);

    std::vector<KeyValueRows> rows;
    std::vector<HeadQueries> queries;
    const float* q = qkv;
    for (const Sequence& sequence : sequences) {
        rows.push_back(
            {.k = q + d, .v = q + 2 * d, .frames = sequence.rows, .cache = sequence.cache});
        queries.push_back({.q = q,
                           .frames = sequence.rows,
                           .first = sequence.cache != nullptr ? sequence.cache->frames() : 0,
                           .packed = {},
                           .ranges = sequence.ranges,
                           .positions = sequence.positions,
                           .y = nullptr});
        q += sequence.rows * 3 * d;
    }
    const std::vector<PackedKeyValues> packed =
        pack_key_values(context, kernel(context), heads_, d_head_, 3 * d, rows);

    auto* attended = context.arena.allocate<float>(n * d);
    float* y = attended;
    for (size_t i = 0; i < queries.size(); i++) {
        queries[i].packed = packed[i];
        queries[i].y = y;
        y += queries[i].frames * d;
    }
    attend_heads(context,
                 {.kernel = kernel(context),
                  .heads = heads_,
                  .d_head = d_head_,
                  .bias_u = pos_bias_u_.data(),
                  .bias_v = pos_bias_v_.data()},
                 3 * d, queries);
    linear_out_(context, attended, x.m, residual, {.residual = residual});
}

}  // namespace parrotlet
