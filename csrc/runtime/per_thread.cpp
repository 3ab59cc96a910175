#include "runtime/per_thread.h"

#include <cstddef>
#include <cstdlib>
#include <exception>

namespace parrotlet {

bool can_throw() {
    constexpr size_t kRoom = 4096;
    void* const volatile room = std::malloc(kRoom);  // volatile: calls in pairs may be left out
    if (room == nullptr) return false;
    std::free(room);
    // Asks for the bytes, which fit into the room that has just come back.
    return std::uncaught_exceptions() >= 0;
}

}  // namespace parrotlet
