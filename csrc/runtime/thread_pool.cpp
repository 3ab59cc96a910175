#include "runtime/thread_pool.h"

#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "runtime/per_thread.h"
#include "runtime/system.h"

namespace parrotlet {

namespace {

// How long a thread polls before it gives its core away. Loops follow each other within
// microseconds while a model runs, and waking a sleeper costs tens of them.
constexpr auto kSpinTime = std::chrono::microseconds(60);

/// Whether a thread is in a loop: loops within are not shared out.
PerThread<bool>& inside_loop() {
    static PerThread<bool> inside;
    return inside;
}

void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// Polls `done` for kSpinTime. The clock is read rarely: it costs more than a poll.
template <typename Condition>
bool spin_until(Condition done) {
    const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
    do {
        for (int i = 0; i < 64; i++) {
            if (done()) return true;
            pause_cpu();
        }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads) : size_(threads), forks_(forks()) {
    try {
        for (int i = 1; i < threads; i++)
            workers_.emplace_back([this, index = static_cast<unsigned>(i - 1)] { work(index); });
    } catch (const std::system_error& error) {
        stop();
        throw std::runtime_error("the system does not start " + std::to_string(threads) +
                                 " threads (" + error.what() + "); ask for fewer");
    } catch (...) {
        stop();
        throw;
    }
}

ThreadPool::~ThreadPool() {
    if (forks_ == forks()) {
        stop();
        return;
    }
    // In a forked child. What waits for threads that are not there would wait forever: the threads'
    // handles are left behind, and the condition variable forgets who slept on it.
    [[maybe_unused]] auto* lost = new (std::nothrow) std::vector<std::thread>(std::move(workers_));
    new (&wake_) std::condition_variable;
}

void ThreadPool::stop() {
    {
        std::lock_guard lock(sleep_mutex_);
        stop_ = true;
        generation_++;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_tasks() {
    try {
        inside_loop().get() = true;
        for (size_t i; (i = next_.fetch_add(1)) < n_;) (*body_)(i);
    } catch (...) {
        std::lock_guard lock(error_mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = n_;
    }
}

void ThreadPool::work(unsigned index) {
    uint64_t seen = 0;
    bool able = false;
    for (;;) {
        if (!spin_until([&] { return generation_ != seen; })) {
            std::unique_lock lock(sleep_mutex_);
            sleepers_++;
            wake_.wait(lock, [&] { return generation_ != seen; });
            sleepers_--;
        }
        if (stop_) return;
        seen = generation_;
        // Number and helpers are one value, so that a worker which is not needed, and may be late,
        // does not take the helpers of the next loop for those of this one.
        if (index >= (seen & ((1u << kHelperBits) - 1))) continue;
        // Where memory has run out, the tasks are left to the others.
        able = able || can_throw();
        if (able) run_tasks();
        if (--busy_ == 0) {
            // The caller may have gone to sleep on a loop whose last task was long.
            std::lock_guard lock(sleep_mutex_);
            wake_.notify_all();
        }
    }
}

void ThreadPool::parallel_for(size_t n, const std::function<void(size_t)>& body) {
    if (counts_ && n > 3) {
        for (const size_t i : {size_t{0}, n / 2, n - 1}) body(i);
        return;
    }
    const bool* inside = inside_loop().find();
    if (n <= 1 || workers_.empty() || forks_ != forks() || (inside != nullptr && *inside)) {
        for (size_t i = 0; i < n; i++) body(i);
        return;
    }
    struct Call {
        explicit Call(std::atomic<int>& callers)
            : inside(inside_loop().get()), callers(callers), others(callers++) {
            inside = true;
        }
        ~Call() {
            inside = false;
            callers--;
        }
        bool& inside;
        std::atomic<int>& callers;
        const int others;
    } call(callers_);
    const int free_workers = static_cast<int>(workers_.size()) - call.others;
    std::unique_lock owner(caller_, std::defer_lock);
    if (free_workers > 0 && owner.try_lock())
        run_with(static_cast<unsigned>(free_workers), n, body);
    else
        for (size_t i = 0; i < n; i++) body(i);
}

void ThreadPool::run_with(unsigned helpers, size_t n, const std::function<void(size_t)>& body) {
    body_ = &body;
    n_ = n;
    next_ = 0;
    error_ = nullptr;
    busy_ = static_cast<int>(helpers);
    {
        // Under the mutex a worker is either asleep, and notified, or has yet to test generation_.
        std::lock_guard lock(sleep_mutex_);
        generation_ = (((generation_ >> kHelperBits) + 1) << kHelperBits) + helpers;
    }
    if (sleepers_ > 0) wake_.notify_all();
    run_tasks();
    const auto finished = [&] { return busy_ == 0; };
    if (!spin_until(finished)) {
        std::unique_lock lock(sleep_mutex_);
        wake_.wait(lock, finished);
    }
    if (error_) std::rethrow_exception(error_);
}

}  // namespace parrotlet
