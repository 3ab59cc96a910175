// The heap as a whole.
#pragma once

#include <cstdlib>  // defines __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace parrotlet {

/// Gives free memory back to the system, also what lies between memory in use. It is worth its time
/// after something was built of many small pieces, which glibc would keep.
inline void give_back_heap() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

}  // namespace parrotlet
