// A whole file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace parrotlet {

class MappedFile {
  public:
    /// Throws ModelFileError if the path cannot be opened or is not a regular, non-empty file.
    explicit MappedFile(const std::string& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&&) = delete;

    std::span<const std::byte> bytes() const { return {data_, size_}; }

    /// Drops a part from this process's memory; reading it again brings it back from the file.
    void release(std::span<const std::byte> part) const;

    /// Drops all of it, the pages included that the system had mapped along with those in use.
    void release() const;

  private:
    const std::byte* data_ = nullptr;
    size_t size_ = 0;
};

}  // namespace parrotlet
