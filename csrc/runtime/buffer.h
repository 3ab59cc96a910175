// Uninitialised, cache-line aligned memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace parrotlet {

constexpr size_t kAlignment = 64;  ///< one cache line, one AVX-512 register

/// Memory aligned to kAlignment, or, when it is large, to huge pages that the system is asked for:
/// walking through weights then misses the TLB far less often. Throws std::bad_alloc.
void* allocate_aligned(size_t bytes);

/// An address for what is only counted: nobody reads or writes there.
template <typename T>
T* no_memory() {
    return reinterpret_cast<T*>(kAlignment);
}

/// Frees so many bytes of it.
struct AlignedDelete {
    size_t bytes = 0;
    void operator()(void* p) const;
};

/// Lets a std::vector have such memory.
template <typename T>
struct AlignedAllocator {
    using value_type = T;

    AlignedAllocator() = default;
    template <typename U>
    explicit AlignedAllocator(const AlignedAllocator<U>&) {}

    T* allocate(size_t n) { return static_cast<T*>(allocate_aligned(n * sizeof(T))); }
    void deallocate(T* p, size_t n) { AlignedDelete{n * sizeof(T)}(p); }
    bool operator==(const AlignedAllocator&) const = default;
};

/// `n` elements of trivial type T, aligned and not initialised.
template <typename T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(size_t n)
        : data_(static_cast<T*>(allocate_aligned(n * sizeof(T))), AlignedDelete{n * sizeof(T)}),
          size_(n) {}

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    size_t size() const { return size_; }
    size_t bytes() const { return size_ * sizeof(T); }
    T& operator[](size_t i) { return data_.get()[i]; }
    const T& operator[](size_t i) const { return data_.get()[i]; }

  private:
    std::unique_ptr<T, AlignedDelete> data_;
    size_t size_ = 0;
};

/// Scratch memory for one computation: allocations are given back all at once, newest first, by
/// rewinding to a mark. Blocks are kept, so a second computation of the same shape allocates
/// nothing; one that is in nobody's use and too small gives way to a larger one, so a computation
/// of a larger shape does not find the blocks of all the smaller ones before it beside its own.
class Arena {
  public:
    static constexpr size_t kMinimumBlock = size_t{1} << 20;

    Arena() = default;

    /// An arena that hands out addresses without memory and counts what would be used.
    struct Counts {};
    explicit Arena(Counts) : counts_(true) {}

    /// `n` uninitialised elements, valid until the arena is rewound past them.
    template <typename T>
    T* allocate(size_t n) {
        return static_cast<T*>(allocate_bytes(n * sizeof(T)));
    }

    /// Rewinds the arena to where it stood at construction.
    class Scope {
      public:
        explicit Scope(Arena& arena) : arena_(arena), block_(arena.block_), used_(arena.used_) {}
        ~Scope() {
            arena_.block_ = block_;
            arena_.used_ = used_;
        }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

      private:
        Arena& arena_;
        size_t block_, used_;
    };

    /// Bytes in memory once everything so far has been written to: what is held and was never
    /// handed out costs nothing, but for the rest of a huge page where the system has these.
    size_t resident(bool huge_pages) const;

  private:
    struct Block {
        Buffer<std::byte> memory;
        size_t size = 0, touched = 0;
    };

    void* allocate_bytes(size_t bytes) {
        bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
        if (block_ < blocks_.size() && used_ > 0 && used_ + bytes > blocks_[block_].size) {
            block_++;
            used_ = 0;
        }
        if (block_ == blocks_.size()) blocks_.emplace_back();
        Block& block = blocks_[block_];
        if (block.size == 0 || used_ + bytes > block.size) {
            block = {};  // before there is another, not after
            const size_t size = bytes > kMinimumBlock ? bytes : kMinimumBlock;
            if (!counts_) block.memory = Buffer<std::byte>(size);
            block.size = size;
        }
        std::byte* p = counts_ ? no_memory<std::byte>() : block.memory.data();
        p += used_;
        used_ += bytes;
        if (used_ > block.touched) block.touched = used_;
        return p;
    }

    std::vector<Block> blocks_;
    size_t block_ = 0, used_ = 0;
    bool counts_ = false;
};

}  // namespace parrotlet
