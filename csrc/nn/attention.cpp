#include "nn/attention.h"

#include <algorithm>
#include <vector>

namespace parrotlet {

namespace {

/// Consecutive queries of a sequence, from the first one on.
struct QueryTile {
    const HeadQueries* sequence;
    int first;

    int count() const { return std::min(kQueryTile, sequence->frames - first); }
    QueryTile next() const { return {sequence, first + kQueryTile}; }
    bool empty() const { return first >= sequence->frames; }

    /// From the first key that any of them sees to the last.
    int keys() const {
        const int *begin = sequence->key_begin + first, *end = sequence->key_end + first;
        return std::max(
            0, *std::max_element(end, end + count()) - *std::min_element(begin, begin + count()));
    }
};

/// What a call of the kernel and those before and after it on the same thread have to do with each
/// other.
struct Neighbours {
    const std::byte* next_keys = nullptr;  ///< of the call after it: it sees the first panel
    const std::byte* next_values = nullptr;
    bool fetched = false;  ///< keys and values of this one, by the call before
};

/// With scratch memory for `keys` keys.
void attend_tile(Arena& scratch, const AttentionHeads& heads, size_t stride, const QueryTile& tile,
                 int keys, size_t head, const Neighbours& neighbours = {}) {
    const auto& [sequence, first] = tile;
    const auto& [kernel, count, d_head, bias_u, bias_v] = heads;
    const PackedKeyValues& packed = sequence->packed;
    const PositionPanels& positions = sequence->positions;
    const bool relative = positions.data != nullptr, shared = sequence->global_k != nullptr;
    const size_t d = static_cast<size_t>(count) * d_head, column = head * d_head;
    Arena::Scope scope(scratch);
    kernel.attend({
        .q = sequence->q + first * stride + column,
        .q_stride = stride,
        .bias_u = relative ? bias_u + column : nullptr,
        .bias_v = relative ? bias_v + column : nullptr,
        .k = packed.keys_of(head),
        .v = packed.values_of(head),
        .p = relative ? positions.data + head * positions.stride : nullptr,
        .y = sequence->y + first * d + column,
        .y_stride = d,
        .global_k = shared ? sequence->global_k + column : nullptr,
        .global_v = shared ? sequence->global_v + column : nullptr,
        .d = d_head,
        .keys = packed.capacity,
        .queries = tile.count(),
        .query_index = sequence->first + first,
        .p_first = positions.first,
        .key_begin = sequence->key_begin + first,
        .key_end = sequence->key_end + first,
        .next_k = neighbours.next_keys,
        .next_v = neighbours.next_values,
        .fetched = neighbours.fetched,
        .scratch = scratch.allocate<std::byte>(kernel.scratch_bytes(d_head, keys)),
    });
}

/// Heads of streams in the order in which they are attended to: those of one head share its
/// positions.
class StreamHeads {
  public:
    StreamHeads(size_t heads, std::span<const HeadQueries> streams)
        : heads_(heads), streams_(streams) {}

    size_t count() const { return heads_ * streams_.size(); }
    const HeadQueries& stream(size_t index) const { return streams_[index % streams_.size()]; }
    size_t head(size_t index) const { return index / streams_.size(); }

    /// Of one among those from `begin` to `end`, which a thread attends to one after the other.
    Neighbours neighbours(size_t index, size_t begin, size_t end) const {
        const bool fetched = index > begin;
        if (++index == end) return {.fetched = fetched};
        const PackedKeyValues& next = stream(index).packed;
        return {.next_keys = next.keys_of(head(index)),
                .next_values = next.values_of(head(index)),
                .fetched = fetched};
    }

  private:
    size_t heads_;
    std::span<const HeadQueries> streams_;
};

/// The new rows of a stream are written and attended to by one thread, while they are in its cache.
void attend_streams(Context& context, const AttentionHeads& heads, size_t stride,
                    std::span<const HeadQueries> streams, int keys) {
    const StreamHeads all(heads.heads, streams);
    context.pool.parallel_for_runs(all.count(), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            const HeadQueries& stream = all.stream(i);
            const size_t head = all.head(i), column = head * heads.d_head;
            stream.cache->write_keys(head, stream.k + column, stride, stream.frames);
            stream.cache->write_values(head, stream.v + column, stride, stream.frames);
            for (QueryTile tile{&stream, 0}; !tile.empty(); tile = tile.next())
                attend_tile(context.task_arena(), heads, stride, tile, keys, head,
                            all.neighbours(i, begin, end));
            stream.cache->drop_oldest(head, stream.frames);
        }
    });
}

}  // namespace

void attend_heads(Context& context, const AttentionHeads& heads, size_t stride,
                  std::span<const HeadQueries> sequences) {
    std::vector<QueryTile> tiles;
    int keys = 0;
    for (const HeadQueries& sequence : sequences)
        for (QueryTile tile{&sequence, 0}; !tile.empty(); tile = tile.next()) {
            tiles.push_back(tile);
            keys = std::max(keys, tile.keys());
        }
    if (!sequences.empty() && sequences[0].cache != nullptr)
        return attend_streams(context, heads, stride, sequences, keys);
    context.pool.parallel_for(heads.heads * tiles.size(), [&](size_t task) {
        attend_tile(context.task_arena(), heads, stride, tiles[task % tiles.size()], keys,
                    task / tiles.size());
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
    const KeyValueRows rows{.k = qkv + d, .v = qkv + 2 * d, .frames = frames};
    const std::vector<PackedKeyValues> packed =
        pack_key_values(context, kernel, heads_, d_head_, 3 * d, {&rows, 1});
    auto* attended = context.arena.allocate<float>(n * d);
    const KeyRanges ranges(frames, 0, frames);
    const HeadQueries queries{.q = qkv,
                              .frames = frames,
                              .packed = packed[0],
                              .key_begin = ranges.begin(),
                              .key_end = ranges.end(),
                              .y = attended};
    attend_heads(context, {.kernel = kernel, .heads = heads_, .d_head = d_head_}, 3 * d,
                 {&queries, 1});
    w_o_(context, attended, frames, x, {.residual = x});
    layer_norm_(context, x, frames, x);
}

}  // namespace parrotlet
