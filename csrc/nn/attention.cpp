#include "nn/attention.h"

#include <algorithm>

namespace parrotlet {

void attend_heads(Context& context, const AttentionKernel& kernel, int heads, int d_head,
                  const HeadQueries& queries, const PackedKeyValues& packed,
                  const KeyRanges& ranges, float* y) {
    const size_t d = static_cast<size_t>(heads) * d_head;
    const PositionPanels& positions = queries.positions;
    const bool relative = positions.data != nullptr;
    const size_t tiles = (queries.frames + kQueryTile - 1) / kQueryTile;
    context.pool.parallel_for(heads * tiles, [&](size_t task) {
        const size_t head = task / tiles, column = head * d_head;
        const int first = static_cast<int>(task % tiles) * kQueryTile;
        Arena& scratch = thread_arena();
        Arena::Scope tile_scope(scratch);
        kernel.attend({
            .q = queries.q + first * queries.stride + column,
            .q_stride = queries.stride,
            .bias_u = relative ? queries.bias_u + column : nullptr,
            .bias_v = relative ? queries.bias_v + column : nullptr,
            .k = packed.keys + head * packed.stride,
            .v = packed.values + head * packed.stride,
            .p = relative ? positions.data + head * positions.stride : nullptr,
            .y = y + first * d + column,
            .y_stride = d,
            .d = d_head,
            .keys = packed.capacity,
            .queries = std::min(kQueryTile, queries.frames - first),
            .query_index = queries.first + first,
            .p_first = positions.first,
            .key_begin = ranges.begin() + first,
            .key_end = ranges.end() + first,
            .scratch = scratch.allocate<std::byte>(kernel.scratch_bytes(d_head, packed.frames)),
        });
    });
}

SelfAttention::SelfAttention(const Weights& weights, int d_model, int heads)
    : d_model_(d_model),
      heads_(heads),
      d_head_(d_model / heads),
      w_qkv_(weights, std::initializer_list<std::string>{"w_q", "w_k", "w_v"}, d_model, d_model),
      w_o_(weights, "w_o", d_model, d_model),
      layer_norm_(weights, "layer_norm", d_model) {}

void SelfAttention::operator()(Context& context, float* x, int frames) const {
    const StageTimer timer(context.times, Stage::attention);
    Arena::Scope scope(context.arena);
    const size_t d = d_model_, n = frames;
    auto* qkv = context.arena.allocate<float>(n * 3 * d);
    w_qkv_(context, x, frames, qkv);
    const AttentionKernel& kernel =
        w_qkv_.quantised() ? context.kernels.attention_q8 : context.kernels.attention_f32;
    const PackedKeyValues packed =
        pack_key_values(context, kernel, heads_, d_head_, qkv + d, qkv + 2 * d, 3 * d, frames);
    auto* attended = context.arena.allocate<float>(n * d);
    attend_heads(context, kernel, heads_, d_head_, {.q = qkv, .stride = 3 * d, .frames = frames},
                 packed, KeyRanges(frames, 0, frames), attended);
    w_o_(context, attended, frames, x, {.residual = x});
    layer_norm_(context, x, frames, x);
}

}  // namespace parrotlet
