#include "runtime/system.h"

#include <malloc.h>
#include <windows.h>

#include <system_error>

namespace parrotlet {

void* system_allocate(size_t alignment, size_t bytes) {
    return ::_aligned_malloc(bytes, alignment);
}

void system_free(void* p, size_t /*bytes*/) { ::_aligned_free(p); }

// Large pages need a privilege that users do not have.
void want_huge_pages(void* /*p*/, size_t /*bytes*/) {}

unsigned forks() { return 0; }

// Fiber-local storage is thread-local storage with a function that is called when a thread ends.
ThreadKey::ThreadKey(void (*destroy)(void*))
    : key_(::FlsAlloc(reinterpret_cast<PFLS_CALLBACK_FUNCTION>(destroy))) {
    if (key_ == FLS_OUT_OF_INDEXES)
        throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(),
                                "FlsAlloc");
}

void* ThreadKey::get() const { return ::FlsGetValue(key_); }

bool ThreadKey::set(void* value) const { return ::FlsSetValue(key_, value) != 0; }

}  // namespace parrotlet
