#include "nn/context.h"

namespace parrotlet {

Arena& thread_arena() {
    static thread_local Arena arena;
    return arena;
}

}  // namespace parrotlet
