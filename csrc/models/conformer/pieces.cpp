// A layer over one long sequence whose frames see a limited part of it, piece by piece: each stage
// follows the one before it at the distance that it looks ahead. Nothing but keys and values is
// held for the whole sequence.

#include <algorithm>

#include "models/conformer/encoder.h"

namespace parrotlet {

namespace {

/// Frames of a piece: whole tiles of queries and blocks of keys, so that results are to the bit
/// those of the whole sequence at once. About as many as a recording of two minutes has: weights
/// are read once for each piece, and one for the whole sequence would leave the caches between
/// stages.
constexpr int kPieceFrames = 1536;
static_assert(kPieceFrames % kQueryTile == 0 && kPieceFrames % kAttentionBlock == 0);

/// Frames that the convolution takes at a time, so that what its parts hand on stays in a cache.
constexpr int kConvolutionFrames = 256;

/// Shorter sequences are taken whole.
constexpr int kWholeFrames = 2 * kPieceFrames;

/// By how many pieces attention follows what it attends to.
int pieces_ahead(const KeyRanges& ranges) {
    return (ranges.farthest_ahead() + kPieceFrames - 1) / kPieceFrames;
}

}  // namespace

bool ConformerLayer::goes_in_pieces(const Sequence& sequence) const {
    if (sequence.cache != nullptr || sequence.rows <= kWholeFrames || global_token_) return false;
    return 2 * pieces_ahead(*sequence.ranges) * kPieceFrames <= sequence.rows &&
           conv_.kernel() <= kConvolutionFrames;
}

Convolution::Carried Convolution::carried(Context& context, int rows) const {
    const size_t most = rows + kernel_ - 1;
    return {.gated = context.arena.allocate<float>(most * d_model_)};
}

void Convolution::piece(Context& context, float* residual, int frames, int begin, int end,
                        Carried& carried) const {
    const StageTimer timer(context.times, Stage::convolution);
    Arena::Scope scope(context.arena);
    const auto d = static_cast<size_t>(d_model_);
    const int from = std::max(0, begin - left_);
    const int to = std::min(frames, end + kernel_ - 1 - left_);
    const size_t kept = (carried.end - from) * d;
    if (!context.counts())
        std::copy_n(carried.gated + (from - carried.begin) * d, kept, carried.gated);
    if (to > carried.end)
        gate(context, residual + carried.end * d, to - carried.end, carried.gated + kept);
    carried.begin = from;
    carried.end = to;
    auto* convolved = context.arena.allocate<float>((end - begin) * d);
    const ConvolvedRows rows{.x = carried.gated,
                             .past = begin - from,
                             .frames = end - begin,
                             .y = convolved,
                             .ahead = to - end};
    depthwise_conv_(context, {&rows, 1});
    project(context, convolved, end - begin, residual + begin * d);
}

void ConformerLayer::in_pieces(Context& context, float* x, const Sequence& sequence) const {
    Arena::Scope scope(context.arena);
    const auto d = static_cast<size_t>(d_model_);
    const int frames = sequence.rows, lag = pieces_ahead(*sequence.ranges);
    const int slots = lag + 1;  // pieces whose queries wait for later keys, and the newest
    const size_t slot_size = kPieceFrames * 3 * d;
    const PackedKeyValues packed = self_attn_.room(context, frames);
    auto* qkv = context.arena.allocate<float>(slots * slot_size);
    Convolution::Carried carried = conv_.carried(context, kConvolutionFrames);
    const auto piece = [&](int index) {
        const int first = index * kPieceFrames;
        return RelPositionMultiHeadAttention::Piece{.qkv = qkv + index % slots * slot_size,
                                                    .first = first,
                                                    .rows = std::min(kPieceFrames, frames - first),
                                                    .packed = &packed};
    };
    const int count = (frames + kPieceFrames - 1) / kPieceFrames;
    // No earlier piece sees more than the last whole one: those before are not counted.
    const int begin = context.counts() ? std::max(0, count - (lag + 3)) : 0;
    carried.begin = carried.end = begin * kPieceFrames;
    for (int step = begin; step < count + lag + 1; step++) {
        if (step < count) {
            const auto newest = piece(step);
            float* rows = x + newest.first * d;
            feed_forward1_(context, rows, newest.rows);
            const StageTimer timer(context.times, Stage::attention);
            Arena::Scope packing(context.arena);
            self_attn_.project(
                context, norm_self_att_(context, rows, newest.rows, self_attn_.qkv()), newest);
        }
        if (const int index = step - lag; index >= begin && index < count) {
            const StageTimer timer(context.times, Stage::attention);
            self_attn_.attend(context, piece(index), sequence, x + piece(index).first * d);
        }
        if (const int index = step - lag - 1; index >= begin) {
            const auto done = piece(index);
            float* rows = x + done.first * d;
            for (int from = 0; from < done.rows; from += kConvolutionFrames) {
                const int to = std::min(done.rows, from + kConvolutionFrames);
                conv_.piece(context, x, frames, done.first + from, done.first + to, carried);
            }
            feed_forward2_(context, rows, done.rows);
            norm_out_(context, rows, done.rows, rows);
        }
    }
}

}  // namespace parrotlet
