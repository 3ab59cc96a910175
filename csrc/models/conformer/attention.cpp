#include "models/conformer/attention.h"

#include <vector>

namespace parrotlet {

RelPositionMultiHeadAttention::RelPositionMultiHeadAttention(const Weights& weights,
                                                             const EncoderConfig& config)
    : d_model_(config.d_model),
      heads_(config.heads),
      d_head_(d_model_ / heads_),
      global_token_(config.global_token),
      qkv_(weights, std::initializer_list<std::string>{"linear_q", "linear_k", "linear_v"},
           d_model_, d_model_),
      linear_pos_(weights, "linear_pos", d_model_, d_model_),
      linear_out_(weights, "linear_out", d_model_, d_model_),
      pos_bias_u_(weights.values("pos_bias_u", {size_t(heads_), size_t(d_head_)})),
      pos_bias_v_(weights.values("pos_bias_v", {size_t(heads_), size_t(d_head_)})) {
    if (qkv_.quantised())
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
        kernel(context).put_keys(projected + head * d_head_, d_model_, count, d_head_, 0,
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

    std::vector<KeyValueRows> rows;  // of whole recordings
    std::vector<HeadQueries> queries;
    const float* q = qkv;
    for (const Sequence& sequence : sequences) {
        const float *k = q + d, *v = q + 2 * d;
        KeyValueCache* cache = sequence.cache;
        if (cache == nullptr) rows.push_back({.k = k, .v = v, .frames = sequence.rows});
        queries.push_back({.q = q,
                           .frames = sequence.rows,
                           .first = cache != nullptr ? cache->frames() : 0,
                           .packed = cache != nullptr ? cache->packed() : PackedKeyValues{},
                           .cache = cache,
                           .k = k,
                           .v = v,
                           .key_begin = sequence.ranges->begin(),
                           .key_end = sequence.ranges->end(),
                           .positions = sequence.positions,
                           .global_k = global_token_ ? k : nullptr,
                           .global_v = global_token_ ? v : nullptr,
                           .y = nullptr});
        q += sequence.rows * 3 * d;
    }
    const std::vector<PackedKeyValues> packed =
        pack_key_values(context, kernel(context), heads_, d_head_, 3 * d, rows);
    for (size_t i = 0; i < packed.size(); i++) queries[i].packed = packed[i];
    attend(context, queries, residual);
    for (const Sequence& sequence : sequences)
        if (sequence.cache != nullptr) sequence.cache->append(sequence.rows);
}

void RelPositionMultiHeadAttention::attend(Context& context, std::vector<HeadQueries>& queries,
                                           float* residual) const {
    const size_t d = d_model_;
    size_t n = 0;
    for (const HeadQueries& sequence : queries) n += sequence.frames;
    Arena::Scope scope(context.arena);
    auto* attended = context.arena.allocate<float>(n * d);
    float* y = attended;
    for (HeadQueries& sequence : queries) {
        sequence.y = y;
        y += sequence.frames * d;
    }
    attend_heads(context,
                 {.kernel = kernel(context),
                  .heads = heads_,
                  .d_head = d_head_,
                  .bias_u = pos_bias_u_.data(),
                  .bias_v = pos_bias_v_.data()},
                 3 * d, queries);
    if (global_token_) attend_global_tokens(context, queries);
    linear_out_(context, attended, static_cast<int>(n), residual, {.residual = residual});
}

/// Replaces the attention of each sequence's first frame.
void RelPositionMultiHeadAttention::attend_global_tokens(
    Context& context, std::span<const HeadQueries> queries) const {
    const int first = 0;
    std::vector<HeadQueries> tokens;
    for (const HeadQueries& sequence : queries)
        tokens.push_back({.q = sequence.q,
                          .frames = 1,
                          .packed = sequence.packed,
                          .key_begin = &first,
                          .key_end = &sequence.frames,
                          .y = sequence.y});
    attend_heads(context, {.kernel = kernel(context), .heads = heads_, .d_head = d_head_},
                 3 * size_t(d_model_), tokens);
}

void RelPositionMultiHeadAttention::project(Context& context, const PackedRows& x,
                                            const Piece& piece) const {
    const size_t d = d_model_;
    qkv_(context, x, piece.qkv);
    const KeyValueRows rows{.k = piece.qkv + d,
                            .v = piece.qkv + 2 * d,
                            .frames = piece.rows,
                            .room = piece.packed,
                            .first = piece.first};
    pack_key_values(context, kernel(context), heads_, d_head_, 3 * d, {&rows, 1});
}

void RelPositionMultiHeadAttention::attend(Context& context, const Piece& piece,
                                           const Sequence& sequence, float* residual) const {
    std::vector<HeadQueries> queries{{.q = piece.qkv,
                                      .frames = piece.rows,
                                      .first = piece.first,
                                      .packed = *piece.packed,
                                      .key_begin = sequence.ranges->begin() + piece.first,
                                      .key_end = sequence.ranges->end() + piece.first,
                                      .positions = sequence.positions,
                                      .y = nullptr}};
    attend(context, queries, residual);
}

}  // namespace parrotlet
