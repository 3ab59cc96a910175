// Where the time of a computation goes, in the parts that a reader of the model would name.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace parrotlet {

enum class Stage { mel, subsampling, attention, feed_forward, convolution, decoding };

constexpr std::array kStageNames{"mel",          "subsampling", "attention",
                                 "feed_forward", "convolution", "decoding"};

/// Nanoseconds per stage. Several threads may add at once.
class StageTimes {
  public:
    void add(Stage stage, int64_t nanoseconds) {
        times_[static_cast<size_t>(stage)].fetch_add(nanoseconds, std::memory_order_relaxed);
    }

    int64_t nanoseconds(Stage stage) const { return times_[static_cast<size_t>(stage)]; }

    void clear() {
        for (auto& time : times_) time = 0;
    }

  private:
    std::array<std::atomic<int64_t>, kStageNames.size()> times_{};
};

/// Adds the time from construction to destruction to a stage; without `times` it does nothing.
/// Lives on the thread that starts parallel loops, so that what it sees is elapsed time.
class StageTimer {
  public:
    StageTimer(StageTimes* times, Stage stage) : times_(times), stage_(stage) {
        if (times_ != nullptr) begin_ = Clock::now();
    }
    ~StageTimer() {
        if (times_ == nullptr) return;
        const std::chrono::nanoseconds elapsed = Clock::now() - begin_;
        times_->add(stage_, elapsed.count());
    }
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

  private:
    using Clock = std::chrono::steady_clock;

    StageTimes* times_;
    Stage stage_;
    Clock::time_point begin_;
};

}  // namespace parrotlet
