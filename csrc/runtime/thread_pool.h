// A fixed set of threads that share out loops.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace parrotlet {

class ThreadPool {
  public:
    /// `threads` counts the calling thread: 1 starts none. Throws std::runtime_error where the
    /// system does not start so many.
    ///
    /// A child that is forked off has only the thread that forked: there a pool made before runs
    /// every loop on the calling thread.
    explicit ThreadPool(int threads);

    /// A pool that only counts: it has a size and no threads, and of each loop it runs the first,
    /// the middle and the last task, which need as much memory as any.
    struct Counts {
        int threads;
    };
    explicit ThreadPool(Counts counts) : ThreadPool(1) {
        size_ = counts.threads;
        counts_ = true;
    }

    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int size() const { return size_; }

    /// Calls body(i) once for every i in [0, n), in any order, on all threads; returns when all
    /// are done and rethrows the first exception.
    ///
    /// Several callers share the pool: together they never keep more threads busy than it has.
    /// Each adds its own thread, and one of them, as long as there are fewer callers than threads,
    /// is helped by the workers that the others leave free. From within a loop the calling thread
    /// does all the work itself.
    void parallel_for(size_t n, const std::function<void(size_t)>& body);

    /// Calls body(begin, end) for runs of tasks that make up [0, n), as for tasks that take a
    /// microsecond or less.
    template <typename Body>
    void parallel_for_runs(size_t n, const Body& body) {
        if (counts_) return parallel_for(n, [&](size_t i) { body(i, i + 1); });
        const size_t runs = std::min(n, kRunsPerThread * size_);
        parallel_for(runs, [&](size_t run) { body(n * run / runs, n * (run + 1) / runs); });
    }

    /// The same with body(i) for each task. They come in order within a run.
    template <typename Body>
    void parallel_for_short(size_t n, const Body& body) {
        parallel_for_runs(n, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; i++) body(i);
        });
    }

  private:
    /// The more, the shorter the wait at the end for the slowest.
    static constexpr size_t kRunsPerThread = 8;

    void stop();
    void work(unsigned index);
    void run_tasks();
    void run_with(unsigned helpers, size_t n, const std::function<void(size_t)>& body);

    /// A loop's number, and in the lowest bits how many workers help with it.
    static constexpr unsigned kHelperBits = 12;

    int size_;
    bool counts_ = false;
    const unsigned forks_;  ///< of this process when the pool was made
    std::vector<std::thread> workers_;
    std::mutex caller_;            ///< held by whoever's loop the workers are on
    std::atomic<int> callers_{0};  ///< threads that are in a loop of their own

    // The loop being run. Written before `generation_` moves on, read by helpers after it has.
    const std::function<void(size_t)>* body_ = nullptr;
    size_t n_ = 0;
    std::atomic<size_t> next_{0};
    std::atomic<int> busy_{0};  ///< helpers that have not finished the current loop
    std::atomic<uint64_t> generation_{0};
    std::exception_ptr error_;
    std::mutex error_mutex_;

    std::atomic<bool> stop_{false};
    std::atomic<int> sleepers_{0};
    std::mutex sleep_mutex_;
    std::condition_variable wake_;
};

}  // namespace parrotlet
