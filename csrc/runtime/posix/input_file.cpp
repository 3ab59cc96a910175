#include "runtime/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) throw ModelFileError(path + ": cannot be opened: " + std::strerror(errno));
    struct stat info{};
    if (const char* problem = problem_of(fd, info)) {
        ::close(fd);
        throw ModelFileError(path + ": " + problem);
    }
    handle_ = fd;
    size_ = static_cast<uint64_t>(info.st_size);
}

InputFile::~InputFile() {
    if (handle_ != kClosed) ::close(static_cast<int>(handle_));
}

size_t InputFile::read_some(uint64_t offset, std::span<std::byte> out) const {
    ssize_t count;
    do {
        count =
            ::pread(static_cast<int>(handle_), out.data(), out.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    if (count < 0) throw ModelFileError(path_ + ": cannot be read: " + std::strerror(errno));
    return static_cast<size_t>(count);
}

}  // namespace parrotlet
