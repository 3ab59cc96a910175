#include "runtime/input_file.h"

#include <utility>

#include "errors.h"

namespace parrotlet {

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      handle_(std::exchange(other.handle_, kClosed)),
      size_(other.size_) {}

void InputFile::read(uint64_t offset, std::span<std::byte> out) const {
    while (!out.empty()) {
        const size_t count = read_some(offset, out);
        if (count == 0)
            throw ModelFileError(path_ +
                                 ": was cut short while it was read; copy or convert it "
                                 "again, and leave it alone while it is in use");
        offset += count;
        out = out.subspan(count);
    }
}

}  // namespace parrotlet
