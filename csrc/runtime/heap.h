// The heap as a whole.
#pragma once

#include <cstdlib>  // defines __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace parrotlet {

/// Gives free memory back to the system, also what lies between memory in use. It is worth its time
/// after something was built of many small pieces, and in a process that lives long: glibc would
/// keep what is free.
inline void give_back_heap() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/// From now on every block of a megabyte or more goes back to the system when it is freed, whoever
/// allocated it. By itself glibc keeps larger and larger ones for later, in an order of addresses
/// that is a matter of chance, and what a process takes with it.
inline void return_large_blocks() {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);  // once it is set it does not move
#endif
}

}  // namespace parrotlet
