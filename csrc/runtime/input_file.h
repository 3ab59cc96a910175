// A file that is read by position.
//
// Not mapped: when somebody cuts or overwrites a mapped file, touching it ends the process with
// SIGBUS. A read that finds less than was there is an error like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace parrotlet {

class InputFile {
  public:
    /// Throws ModelFileError if the path, in UTF-8 on Windows, cannot be opened or is not a
    /// regular, non-empty file.
    explicit InputFile(const std::string& path);
    ~InputFile();
    InputFile(InputFile&& other) noexcept;
    InputFile& operator=(InputFile&&) = delete;

    /// Bytes, when it was opened.
    uint64_t size() const { return size_; }

    /// Fills `out` with the bytes from `offset`. May be called from several threads. Throws
    /// ModelFileError if they cannot be read, or are there no more.
    void read(uint64_t offset, std::span<std::byte> out) const;

  private:
    /// Reads some of the bytes, and returns how many: 0 at the end of the file.
    size_t read_some(uint64_t offset, std::span<std::byte> out) const;

    static constexpr intptr_t kClosed = -1;

    std::string path_;
    intptr_t handle_ = kClosed;  ///< the system's: a file descriptor, or a HANDLE
    uint64_t size_ = 0;
};

}  // namespace parrotlet
