#include "runtime/system.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <system_error>

namespace parrotlet {

namespace {

/// Memory of this size is mapped by itself, so that it goes back to the system when it is freed.
/// The C library would keep it once as much has been freed, between what else its threads hold:
/// streams that come and go made a process grow.
constexpr size_t kMapped = size_t{128} << 10;

/// AddressSanitizer watches the ends of what the C library gives.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PARROTLET_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define PARROTLET_ADDRESS_SANITIZER
#endif
#if defined(PARROTLET_ADDRESS_SANITIZER)
constexpr bool kMaps = false;
#else
constexpr bool kMaps = true;
#endif

bool is_mapped(size_t bytes) { return kMaps && bytes >= kMapped; }

}  // namespace

void* system_allocate(size_t alignment, size_t bytes) {
    if (!is_mapped(bytes)) return std::aligned_alloc(alignment, bytes);
    // Pages begin at multiples of 64 bytes, but not of a huge page.
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t more = alignment > page ? alignment : 0;
    void* map =
        ::mmap(nullptr, bytes + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return nullptr;
    if (more == 0) return map;
    const size_t before = (alignment - reinterpret_cast<uintptr_t>(map) % alignment) % alignment;
    auto* p = static_cast<std::byte*>(map) + before;
    if (before > 0) ::munmap(map, before);
    if (more > before) ::munmap(p + bytes, more - before);
    return p;
}

void system_free(void* p, size_t bytes) {
    if (is_mapped(bytes))
        ::munmap(p, bytes);
    else
        std::free(p);
}

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
