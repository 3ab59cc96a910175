#include "nn/context.h"

#include "runtime/per_thread.h"

namespace parrotlet {

Arena& thread_arena() {
    static PerThread<Arena> arenas;
    return arenas.get();
}

}  // namespace parrotlet
