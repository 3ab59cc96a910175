#include "decoding/search.h"

#include <algorithm>

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

void Search::finish(Context& context) {
    const StageTimer timer(context.times, Stage::decoding);
    end(context);
}

void Search::end(Context&) {
    settled_ = std::move(tentative_);
    tentative_.clear();
}

}  // namespace parrotlet
