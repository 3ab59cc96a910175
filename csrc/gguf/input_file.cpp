#include "gguf/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "errors.h"

namespace parrotlet {

namespace {

/// What is wrong with an open file, or null.
const char* problem_of(int fd, struct stat& info) {
    if (::fstat(fd, &info) != 0) return std::strerror(errno);
    if (S_ISDIR(info.st_mode)) return "is a directory, not a GGUF file";
    if (!S_ISREG(info.st_mode)) return "is not a regular file";
    if (info.st_size == 0) return "is empty";
    return nullptr;
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
    // A pipe without a writer would keep open() waiting.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) throw ModelFileError(path + ": cannot be opened: " + std::strerror(errno));
    struct stat info{};
    if (const char* problem = problem_of(fd_, info)) {
        ::close(fd_);
        throw ModelFileError(path + ": " + problem);
    }
    size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile::~InputFile() {
    if (fd_ >= 0) ::close(fd_);
}

void InputFile::read(uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
        const ssize_t count = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw ModelFileError(path_ + ": cannot be read: " + std::strerror(errno));
        if (count == 0)
            throw ModelFileError(path_ +
                                 ": was cut short while it was read; copy or convert it "
                                 "again, and leave it alone while it is in use");
        offset += static_cast<uint64_t>(count);
        out = out.subspan(static_cast<size_t>(count));
    }
}

}  // namespace parrotlet
