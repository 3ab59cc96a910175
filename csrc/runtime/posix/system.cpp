#include "runtime/system.h"

#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <system_error>

namespace parrotlet {

void* system_allocate(size_t alignment, size_t bytes) {
    return std::aligned_alloc(alignment, bytes);
}

void system_free(void* p) { std::free(p); }

void want_huge_pages([[maybe_unused]] void* p, [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
    ::madvise(p, bytes, MADV_HUGEPAGE);
#endif
}

unsigned forks() {
    static std::atomic<unsigned> count{0};
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { count++; });
    return registered == 0 ? count.load(std::memory_order_relaxed) : 0;
}

ThreadKey::ThreadKey(void (*destroy)(void*)) {
    pthread_key_t key;
    if (const int error = ::pthread_key_create(&key, destroy); error != 0)
        throw std::system_error(error, std::generic_category(), "pthread_key_create");
    key_ = key;
}

void* ThreadKey::get() const { return ::pthread_getspecific(static_cast<pthread_key_t>(key_)); }

bool ThreadKey::set(void* value) const {
    return ::pthread_setspecific(static_cast<pthread_key_t>(key_), value) == 0;
}

}  // namespace parrotlet
