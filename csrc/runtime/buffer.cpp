#include "runtime/buffer.h"

#include <new>

#include "runtime/system.h"

namespace parrotlet {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;
}

void* allocate_aligned(size_t bytes) {
    const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    if (rounded < bytes) throw std::bad_alloc();
    void* p = system_allocate(alignment, rounded > 0 ? rounded : alignment);
    if (p == nullptr) throw std::bad_alloc();
    // Whole huge pages only: the last, partly used one would be counted in full.
    if (alignment == kHugePage) want_huge_pages(p, bytes / kHugePage * kHugePage);
    return p;
}

size_t Arena::resident(bool huge_pages) const {
    size_t total = 0;
    for (const Block& block : blocks_) {
        const size_t whole = block.size / kHugePage * kHugePage;
        const bool rounded = huge_pages && block.touched < whole;
        total += rounded ? (block.touched + kHugePage - 1) / kHugePage * kHugePage : block.touched;
    }
    return total;
}

void AlignedDelete::operator()(void* p) const { system_free(p); }

}  // namespace parrotlet
