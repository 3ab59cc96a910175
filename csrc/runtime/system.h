// What the runtime asks of the operating system, but for files (runtime/input_file.h). The folders
// posix and windows have an implementation each.
#pragma once

#include <cstddef>

namespace parrotlet {

/// Memory at a multiple of `alignment`, a power of two that divides `bytes`; null if there is none.
void* system_allocate(size_t alignment, size_t bytes);
/// Frees it; `bytes` are those that it was allocated with.
void system_free(void* p, size_t bytes);

/// Asks for huge pages behind whole ones of this memory, where the system has them on request.
void want_huge_pages(void* p, size_t bytes);

/// How often this process has come out of a fork since the first call; 0 where there is no fork.
unsigned forks();

/// A pointer for each thread, null at first. It is given to `destroy` when its thread ends. Keys
/// are few, and never given back.
class ThreadKey {
  public:
    /// Throws std::system_error.
    explicit ThreadKey(void (*destroy)(void*));
    ThreadKey(const ThreadKey&) = delete;
    ThreadKey& operator=(const ThreadKey&) = delete;

    void* get() const;
    /// False where there is no memory for it.
    [[nodiscard]] bool set(void* value) const;

  private:
    unsigned long key_;
};

}  // namespace parrotlet
