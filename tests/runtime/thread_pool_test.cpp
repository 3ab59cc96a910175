// The thread pool where it is hard: loops within loops, many callers at once, exceptions, and a
// fork. Prints what fails, and exits with 1; `.ci/sanitizers` runs it under ThreadSanitizer, which
// sees the races.
#include "runtime/thread_pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using parrotlet::ThreadPool;

constexpr int kThreads = 4;
int failures = 0;

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "failed: %s\n", what);
    failures++;
}

/// Runs a loop of n and tells whether every index came once. The counts are no atomics: a race on
/// one is an index that two threads had, or a result that is read before it is written.
bool visits_each_once(ThreadPool& pool, size_t n) {
    std::vector<int> visits(n, 0);
    pool.parallel_for(n, [&](size_t i) { visits[i]++; });
    for (int count : visits)
        if (count != 1) return false;
    return true;
}

void every_index_comes_once() {
    for (int threads : {1, 2, kThreads}) {
        ThreadPool pool(threads);
        for (int round = 0; round < 200; round++)
            for (size_t n : {0, 1, 2, 3, 7, 64})
                check(visits_each_once(pool, n), "every index comes once");
    }
}

void sleeping_workers_wake() {
    ThreadPool pool(kThreads);
    for (int round = 0; round < 20; round++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // longer than workers poll
        check(visits_each_once(pool, 16), "sleeping workers wake");
    }
}

void a_caller_waits_for_a_long_task() {
    ThreadPool pool(2);
    std::vector<int> done(2, 0);
    pool.parallel_for(2, [&](size_t i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(i == 0 ? 0 : 5));
        done[i] = 1;
    });
    check(done[0] == 1 && done[1] == 1, "a caller waits for a long task");
}

void loops_within_loops() {
    ThreadPool pool(kThreads), other(2);
    for (int round = 0; round < 50; round++) {
        std::vector<int> sums(8, 0);
        pool.parallel_for(8, [&](size_t i) {
            pool.parallel_for(5, [&](size_t j) { sums[i] += static_cast<int>(j); });
            other.parallel_for(3, [&](size_t j) { sums[i] += static_cast<int>(j); });
        });
        for (int sum : sums) check(sum == 13, "a loop within a loop runs on the thread it is in");
    }
}

void many_callers() {
    ThreadPool pool(kThreads);
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 8; caller++)
        callers.emplace_back([&, caller] {
            for (int round = 0; round < 100; round++)
                if (!visits_each_once(pool, static_cast<size_t>(caller + round % 9))) wrong++;
        });
    for (std::thread& caller : callers) caller.join();
    check(wrong == 0, "many callers share a pool");
}

void never_more_threads_than_the_pool_has() {
    ThreadPool pool(kThreads);
    std::atomic<int> running{0}, most{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; caller++)
        callers.emplace_back([&] {
            for (int round = 0; round < 50; round++)
                pool.parallel_for(16, [&](size_t) {
                    const int now = ++running;
                    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                    }
                    running--;
                });
        });
    for (std::thread& caller : callers) caller.join();
    check(most <= kThreads + 1, "callers do not multiply threads");
}

void exceptions_reach_the_caller() {
    ThreadPool pool(kThreads);
    for (int round = 0; round < 100; round++) {
        std::string caught;
        try {
            pool.parallel_for(32, [&](size_t i) {
                if (i % 5 == 3) throw std::runtime_error("index " + std::to_string(i));
            });
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
        check(caught.rfind("index ", 0) == 0, "an exception reaches the caller");
        check(visits_each_once(pool, 32), "a pool works after an exception");
    }
    bool caught = false;
    try {
        pool.parallel_for(4, [&](size_t) {
            pool.parallel_for(4, [](size_t j) {
                if (j == 2) throw std::runtime_error("within");
            });
        });
    } catch (const std::runtime_error&) {
        caught = true;
    }
    check(caught, "an exception of a loop within a loop reaches the caller");
}

/// What a child exits with: whether an inherited pool, and one of its own, work there.
int in_the_child(std::unique_ptr<ThreadPool> inherited) {
    const bool works = visits_each_once(*inherited, 64);
    inherited.reset();  // must not wait for threads that are not in this process
#ifdef __SANITIZE_THREAD__
    const int threads = 1;  // ThreadSanitizer cannot start threads in a child of many
#else
    const int threads = 2;
#endif
    ThreadPool own(threads);
    return works && visits_each_once(own, 64) ? 0 : 1;
}

void forked_children_compute() {
    for (int round = 0; round < 10; round++) {
        auto pool = std::make_unique<ThreadPool>(kThreads);
        if (round % 2 == 0) check(visits_each_once(*pool, 64), "a pool works before a fork");
        const pid_t child = ::fork();
        if (child == 0) ::_exit(in_the_child(std::move(pool)));
        int status = -1;
        ::waitpid(child, &status, 0);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child computes");
        check(visits_each_once(*pool, 64), "the parent's pool works after a fork");
    }
}

void pools_come_and_go() {
    for (int round = 0; round < 100; round++) {
        ThreadPool pool(kThreads);
        if (round % 2 == 0) check(visits_each_once(pool, 5), "a short-lived pool");
    }
}

}  // namespace

int main() {
    every_index_comes_once();
    sleeping_workers_wake();
    a_caller_waits_for_a_long_task();
    loops_within_loops();
    many_callers();
    never_more_threads_than_the_pool_has();
    exceptions_reach_the_caller();
    forked_children_compute();
    pools_come_and_go();
    std::puts(failures == 0 ? "the thread pool holds" : "the thread pool does not hold");
    return failures == 0 ? 0 : 1;
}
