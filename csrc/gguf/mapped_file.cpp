#include "gguf/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "errors.h"

namespace parrotlet {

MappedFile::MappedFile(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw ModelFileError(path + ": cannot be opened: " + std::strerror(errno));
    struct stat info{};
    const char* problem = nullptr;
    if (::fstat(fd, &info) != 0)
        problem = std::strerror(errno);
    else if (S_ISDIR(info.st_mode))
        problem = "is a directory, not a GGUF file";
    else if (!S_ISREG(info.st_mode))
        problem = "is not a regular file";
    else if (info.st_size == 0)
        problem = "is empty";
    void* mapping = MAP_FAILED;
    if (problem == nullptr) {
        size_ = static_cast<size_t>(info.st_size);
        mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED) problem = std::strerror(errno);
    }
    ::close(fd);
    if (problem != nullptr) throw ModelFileError(path + ": " + problem);
    data_ = static_cast<const std::byte*>(mapping);
}

void MappedFile::release(std::span<const std::byte> part) const {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t begin = (static_cast<size_t>(part.data() - data_) + page - 1) / page * page;
    const size_t end = static_cast<size_t>(part.data() + part.size() - data_) / page * page;
    if (begin < end) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::release() const { ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

MappedFile::~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace parrotlet
