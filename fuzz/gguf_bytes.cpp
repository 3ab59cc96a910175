#include "gguf_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace parrotlet::fuzz {

namespace {

constexpr uint32_t kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9;
constexpr size_t kAlignment = 32;

template <typename T>
void put(std::vector<uint8_t>& out, T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    out.insert(out.end(), bytes, bytes + sizeof(T));
}

void put_text(std::vector<uint8_t>& out, const std::string& text) {
    put<uint64_t>(out, text.size());
    out.insert(out.end(), text.begin(), text.end());
}

void put_key(std::vector<uint8_t>& out, const std::string& key, uint32_t type) {
    put_text(out, key);
    put(out, type);
}

void pad(std::vector<uint8_t>& out) {
    out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

MemoryFile::MemoryFile(std::span<const uint8_t> bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0) std::abort();
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
        if (n <= 0) std::abort();
        done += static_cast<size_t>(n);
    }
    path_ = "/proc/self/fd/" + std::to_string(fd_);
}

MemoryFile::~MemoryFile() { ::close(fd_); }

void GgufBytes::add(const std::string& key, uint32_t value) {
    put_key(metadata_, key, kU32);
    put(metadata_, value);
    n_metadata_++;
}

void GgufBytes::add(const std::string& key, float value) {
    put_key(metadata_, key, kF32);
    put(metadata_, value);
    n_metadata_++;
}

void GgufBytes::add(const std::string& key, bool value) {
    put_key(metadata_, key, kBool);
    put<uint8_t>(metadata_, value);
    n_metadata_++;
}

void GgufBytes::add(const std::string& key, const std::string& value) {
    put_key(metadata_, key, kString);
    put_text(metadata_, value);
    n_metadata_++;
}

void GgufBytes::add(const std::string& key, const std::vector<int32_t>& values) {
    put_key(metadata_, key, kArray);
    put(metadata_, kI32);
    put<uint64_t>(metadata_, values.size());
    for (const int32_t value : values) put(metadata_, value);
    n_metadata_++;
}

void GgufBytes::add(const std::string& key, const std::vector<std::string>& values) {
    put_key(metadata_, key, kArray);
    put(metadata_, kString);
    put<uint64_t>(metadata_, values.size());
    for (const std::string& value : values) put_text(metadata_, value);
    n_metadata_++;
}

void GgufBytes::tensor(const std::string& name, const std::vector<uint64_t>& ne, uint32_t type,
                       std::vector<uint8_t> data) {
    put_text(infos_, name);
    put(infos_, static_cast<uint32_t>(ne.size()));
    for (const uint64_t n : ne) put(infos_, n);
    put(infos_, type);
    put<uint64_t>(infos_, data_.size());
    data_.insert(data_.end(), data.begin(), data.end());
    pad(data_);
    n_tensors_++;
}

std::vector<uint8_t> GgufBytes::finish() const {
    std::vector<uint8_t> file = {'G', 'G', 'U', 'F'};
    put<uint32_t>(file, 3);
    put(file, n_tensors_);
    put(file, n_metadata_);
    file.insert(file.end(), metadata_.begin(), metadata_.end());
    file.insert(file.end(), infos_.begin(), infos_.end());
    pad(file);
    file.insert(file.end(), data_.begin(), data_.end());
    return file;
}

}  // namespace parrotlet::fuzz
