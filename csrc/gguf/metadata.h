// Reading the keys of a model file that docs/format.md describes.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "gguf/reader.h"

namespace parrotlet {

/// Typed reads of the keys "<architecture>.*" with bounds, so that no later product can overflow.
/// Absent or impossible values are a ModelFileError that names the file and the key.
class MetadataReader {
  public:
    /// Throws UnsupportedModelError if the file's format version is beyond `newest_version`.
    MetadataReader(const GgufFile& file, std::string architecture, uint64_t newest_version);

    const GgufFile& file() const { return file_; }
    std::string name(const std::string& key) const { return architecture_ + "." + key; }
    bool has(const std::string& key) const { return file_.metadata().contains(name(key)); }

    int integer(const std::string& key, int64_t low = 1, int64_t high = 1 << 20) const;
    /// A list of at least one, each within the bounds.
    std::vector<int> integers(const std::string& key, int64_t low, int64_t high) const;
    float real(const std::string& key) const;
    bool boolean(const std::string& key) const { return file_.get<bool>(name(key)); }
    std::string text(const std::string& key) const { return file_.get<std::string>(name(key)); }
    /// The same of a key that older files lack.
    std::string text(const std::string& key, const std::string& fallback) const {
        return file_.get<std::string>(name(key), fallback);
    }

    /// Whether the key is `yes` rather than `no`; any other value is unsupported.
    bool choice(const std::string& key, const char* yes, const char* no) const {
        return choice(key, {yes, no}) == 0;
    }
    /// The index of the value among `known`; any other value is unsupported.
    size_t choice(const std::string& key, std::initializer_list<const char*> known) const;

  private:
    int checked(const std::string& key, int64_t value, int64_t low, int64_t high) const;

    const GgufFile& file_;
    std::string architecture_;
};

}  // namespace parrotlet
