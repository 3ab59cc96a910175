// What each thread has for itself.
#pragma once

#include <memory>
#include <new>

#include "runtime/system.h"

namespace parrotlet {

/// One T for each thread that asks, which lives as long as the thread.
///
/// It stands for `thread_local`: glibc ends the process when a thread has no memory for the
/// variables of a library that was loaded later, and this throws std::bad_alloc instead. Objects
/// are static, and their keys are never given back.
template <typename T>
class PerThread {
  public:
    PerThread() : key_([](void* value) { delete static_cast<T*>(value); }) {}
    PerThread(const PerThread&) = delete;
    PerThread& operator=(const PerThread&) = delete;

    /// The calling thread's, or nullptr if it has not called `get`.
    T* find() const { return static_cast<T*>(key_.get()); }

    /// The calling thread's. Throws std::bad_alloc.
    T& get() {
        if (T* known = find()) return *known;
        auto made = std::make_unique<T>();
        if (!key_.set(made.get())) throw std::bad_alloc();
        return *made.release();
    }

  private:
    ThreadKey key_;
};

/// Whether the calling thread can throw. The C++ library keeps a few bytes for the exceptions of
/// each thread, and where there is no memory for them at the first one, glibc ends the process. A
/// thread that has been told that it can will always be able to.
bool can_throw();

}  // namespace parrotlet
