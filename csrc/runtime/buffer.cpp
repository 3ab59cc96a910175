#include "runtime/buffer.h"

#include <new>

#include "runtime/system.h"

namespace parrotlet {

namespace {
constexpr size_t kHugePage = size_t{2} << 20;

size_t alignment_of(size_t bytes) { return bytes >= kHugePage ? kHugePage : kAlignment; }

/// What is taken from the system; less than `bytes` where that is too much.
size_t rounded_up(size_t bytes) {
    const size_t alignment = alignment_of(bytes);
    return bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

void* allocate_aligned(size_t bytes) {
    const size_t alignment = alignment_of(bytes), rounded = rounded_up(bytes);
    if (rounded < bytes) throw std::bad_alloc();
    void* p = system_allocate(alignment, rounded);
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

void AlignedDelete::operator()(void* p) const { system_free(p, rounded_up(bytes)); }

}  // namespace parrotlet
