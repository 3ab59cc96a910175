// Scratch memory for calls that may come from several threads at once.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "runtime/buffer.h"

namespace parrotlet {

/// Arenas that are lent for the time of one call each and kept for the next ones.
class ArenaPool {
  public:
    /// Runs body(arena) with scratch memory that no other call is using.
    template <typename Body>
    auto lend(Body body) {
        std::unique_ptr<Arena> arena;
        {
            std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                arena = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        if (!arena) arena = std::make_unique<Arena>();
        // Given back even when body throws; freed if there is not even memory to note that.
        const auto give_back = [this](Arena* used) noexcept {
            std::unique_ptr<Arena> idle(used);
            try {
                std::lock_guard lock(mutex_);
                idle_.push_back(std::move(idle));
            } catch (const std::bad_alloc&) {
            }
        };
        const std::unique_ptr<Arena, decltype(give_back)> lease(arena.release(), give_back);
        Arena::Scope scope(*lease);
        return body(*lease);
    }

    /// Frees those that no call is using.
    void release() {
        std::vector<std::unique_ptr<Arena>> idle;
        std::lock_guard lock(mutex_);
        idle.swap(idle_);
    }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Arena>> idle_;
};

}  // namespace parrotlet
