// Projected encodings of relative positions (NeMo's RelPositionalEncoding and linear_pos), which
// depend on nothing but the model and are therefore kept.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "models/conformer/attention.h"

namespace parrotlet {

class ConformerEncoder;

/// Rows of sin and cos for positions first .. first - count + 1 (RelPositionalEncoding.create_pe).
void encode_positions(int first, int count, int d_model, float* out);

/// The positions first, first - 1, ... that attention can meet.
struct PositionSpan {
    int first, count;

    /// For the chunks of a stream, whose context is limited on both sides.
    explicit PositionSpan(AttentionContext attention)
        : PositionSpan(attention.left + attention.right, attention.right) {}

    /// For queries that see keys up to `back` before and `ahead` after them.
    PositionSpan(int back, int ahead)
        : first(back + kPositionSlack), count(first + ahead + 1 + kPositionSlack) {}

    bool covers(const PositionSpan& other) const {
        return first >= other.first && first - count <= other.first - other.count;
    }
};

/// Projected positions of every layer.
class ProjectedPositions {
  public:
    ProjectedPositions(Context& context, const ConformerEncoder& encoder, PositionSpan span);

    static size_t bytes(const Context& context, const ConformerEncoder& encoder, PositionSpan span);

    const PositionSpan& span() const { return span_; }
    PositionPanels layer(int i) const {
        return {.data = data_ + i * layer_bytes_, .first = span_.first, .stride = head_bytes_};
    }

  private:
    PositionSpan span_;
    size_t head_bytes_, layer_bytes_;
    Buffer<std::byte> panels_;
    std::byte* data_;
};

/// Keeps the widest positions that were asked for, as long as they are of reasonable size: they
/// serve every narrower span. May be called from several threads.
class PositionCache {
  public:
    static constexpr size_t kMostBytes = size_t{192} << 20;

    /// Null if they would take more than kMostBytes.
    std::shared_ptr<const ProjectedPositions> get(Context& context, const ConformerEncoder& encoder,
                                                  PositionSpan span);

  private:
    std::mutex mutex_;
    std::shared_ptr<const ProjectedPositions> widest_;
};

/// Positions of streams, made once for each context, and kept until there is no stream of any:
/// those of one context come and go while others run, which would wait for products of all layers.
/// May be called from several threads.
class StreamPositions {
  public:
    /// `attention` is limited on both sides.
    std::shared_ptr<const ProjectedPositions> get(Context& context, const ConformerEncoder& encoder,
                                                  AttentionContext attention);

  private:
    using ByContext = std::map<std::pair<int, int>, const ProjectedPositions>;

    std::mutex mutex_;
    std::weak_ptr<ByContext> known_;  ///< which streams own
};

}  // namespace parrotlet
