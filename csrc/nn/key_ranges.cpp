#include "nn/key_ranges.h"

#include <algorithm>

namespace parrotlet {

KeyRanges::KeyRanges(ContextStyle style, AttentionContext context, int frames)
    : begin_(frames), end_(frames) {
    const bool chunked = style == ContextStyle::chunked_limited && context.right >= 0;
    const int chunk = context.right + 1;
    const bool with_right_context =
        style == ContextStyle::chunked_limited_with_rc && context.chunk > 0;
    for (int i = 0; i < frames; i++) {
        int begin = context.left >= 0 ? i - context.left : 0;
        int end = context.right >= 0 ? i + context.right + 1 : frames;
        if (chunked) {
            const int own = i / chunk;
            begin = context.left >= 0 ? (own - context.left / chunk) * chunk : 0;
            end = (own + 1) * chunk;
        } else if (with_right_context) {
            const int first = i / context.chunk * context.chunk;
            begin = context.left >= 0 ? first - context.left : 0;
            end = context.right >= 0 ? first + context.chunk + context.right : frames;
        }
        begin_[i] = std::max(begin, 0);
        end_[i] = std::min(end, frames);
        farthest_back_ = std::max(farthest_back_, i - begin_[i]);
        farthest_ahead_ = std::max(farthest_ahead_, end_[i] - 1 - i);
    }
}

}  // namespace parrotlet
