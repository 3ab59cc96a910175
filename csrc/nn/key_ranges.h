// Which keys the queries of attention may see.
#pragma once

#include <vector>

namespace parrotlet {

/// How many encoder frames a frame may look back (left) and ahead (right); -1 is without limit.
/// `chunk` is how many frames see the same, where the style leaves that open; -1 is one by one.
/// NeMo's att_context_size.
struct AttentionContext {
    int left = -1, right = -1, chunk = -1;
};

/// NeMo's att_context_style: a window around each frame; whole chunks of right + 1 frames that see
/// each other and the chunks before them; or chunks of any size that see each other, `left` frames
/// before their first and `right` after their last.
enum class ContextStyle { regular, chunked_limited, chunked_limited_with_rc };

/// The keys each query may see, a run [begin, end) per query, and the distances that occur.
class KeyRanges {
  public:
    /// Ranges of `frames` queries over the same frames, as ConformerEncoder._create_masks.
    KeyRanges(ContextStyle style, AttentionContext context, int frames);

    /// Ranges of `queries` queries that all see the keys [begin, end).
    KeyRanges(int queries, int begin, int end) : begin_(queries, begin), end_(queries, end) {}

    const int* begin() const { return begin_.data(); }
    const int* end() const { return end_.data(); }

    /// Largest query - key and key - query, at least 0. Of the first constructor's ranges only.
    int farthest_back() const { return farthest_back_; }
    int farthest_ahead() const { return farthest_ahead_; }

  private:
    std::vector<int> begin_, end_;
    int farthest_back_ = 0, farthest_ahead_ = 0;
};

}  // namespace parrotlet
