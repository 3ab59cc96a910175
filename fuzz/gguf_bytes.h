// Model files as bytes in memory: writing them, and giving them to a reader that wants a path.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace parrotlet::fuzz {

/// An anonymous file with a path, for as long as it lives.
class MemoryFile {
  public:
    explicit MemoryFile(std::span<const uint8_t> bytes);
    ~MemoryFile();
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    const std::string& path() const { return path_; }

  private:
    int fd_;
    std::string path_;
};

/// Builds a GGUF v3 file entry by entry.
class GgufBytes {
  public:
    void add(const std::string& key, uint32_t value);
    void add(const std::string& key, float value);
    void add(const std::string& key, bool value);
    void add(const std::string& key, const std::string& value);
    void add(const std::string& key, const std::vector<int32_t>& values);
    void add(const std::string& key, const std::vector<std::string>& values);

    /// A tensor of GGML type number `type`; `ne` is contiguous axis first.
    void tensor(const std::string& name, const std::vector<uint64_t>& ne, uint32_t type,
                std::vector<uint8_t> data);

    std::vector<uint8_t> finish() const;

  private:
    std::vector<uint8_t> metadata_, infos_, data_;
    uint64_t n_metadata_ = 0, n_tensors_ = 0;
};

}  // namespace parrotlet::fuzz
