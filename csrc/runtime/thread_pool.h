// A fixed set of threads that share out loops.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace parrotlet {

class ThreadPool {
  public:
    /// `threads` counts the calling thread: 1 starts none.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int size() const { return static_cast<int>(workers_.size()) + 1; }

    /// Calls body(i) once for every i in [0, n), in any order, on all threads; returns when all
    /// are done and rethrows the first exception. When another caller's loop is running, or from
    /// within a loop, the calling thread does all the work itself.
    void parallel_for(size_t n, const std::function<void(size_t)>& body);

  private:
    void work();
    void run_tasks();

    std::vector<std::thread> workers_;
    std::mutex caller_;  ///< held by whoever's loop the workers are on

    // The loop being run. Written before `generation_` moves on, read after it is seen to.
    const std::function<void(size_t)>* body_ = nullptr;
    size_t n_ = 0;
    std::atomic<size_t> next_{0};
    std::atomic<int> busy_{0};  ///< workers that have not finished the current loop
    std::atomic<unsigned> generation_{0};
    std::exception_ptr error_;
    std::mutex error_mutex_;

    std::atomic<bool> stop_{false};
    std::atomic<int> sleepers_{0};
    std::mutex sleep_mutex_;
    std::condition_variable wake_;
};

}  // namespace parrotlet
