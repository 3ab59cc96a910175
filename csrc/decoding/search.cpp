#include "decoding/search.h"

#include <algorithm>
#include <map>

namespace parrotlet {

void Search::feed(Context& context, const float* encoded, int frames) {
    const StageTimer timer(context.times, Stage::decoding);
    settled_.clear();
    for (int first = 0; first < frames; first += kSearchFrames) {
        Arena::Scope scope(context.arena);
        const int count = std::min(kSearchFrames, frames - first);
        take(context, encoded + size_t(first) * width(), count);
    }
}

void Search::feed(Context& context, std::span<const SearchFrames> searches) {
    const StageTimer timer(context.times, Stage::decoding);
    std::map<const void*, std::vector<SearchFrames>> together;
    for (const SearchFrames& piece : searches) {
        const void* companions = piece.search->companions();
        if (companions == nullptr || piece.frames > kSearchFrames) {
            piece.search->feed(context, piece.encoded, piece.frames);
        } else {
            piece.search->settled_.clear();
            together[companions].push_back(piece);
        }
    }
    for (const auto& [companions, pieces] : together) {
        Arena::Scope scope(context.arena);
        pieces[0].search->take_together(context, pieces);
    }
}

void Search::take_together(Context& context, std::span<const SearchFrames> searches) const {
    for (const auto& [search, encoded, frames] : searches) search->take(context, encoded, frames);
}

const float* joined_frames(Context& context, std::span<const SearchFrames> searches) {
    if (searches.size() == 1) return searches[0].encoded;
    const size_t width = searches[0].search->width();
    size_t total = 0;
    for (const SearchFrames& piece : searches) total += piece.frames;
    auto* joined = context.arena.allocate<float>(total * width);
    float* end = joined;
    for (const auto& [search, encoded, frames] : searches)
        if (!context.counts()) end = std::copy_n(encoded, frames * width, end);
    return joined;
}

void Search::finish(Context& context) {
    const StageTimer timer(context.times, Stage::decoding);
    end(context);
}

void Search::end(Context&) {
    settled_ = std::move(tentative_);
    tentative_.clear();
}

}  // namespace parrotlet
