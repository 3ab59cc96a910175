#include "runtime/input_file.h"

#include <windows.h>

#include <algorithm>
#include <system_error>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr size_t kLargestRead = size_t{1} << 30;  ///< a call's count has 32 bits

std::string last_error() {
    return std::system_category().message(static_cast<int>(::GetLastError()));
}

/// UTF-8 as the system takes it.
std::wstring wide(const std::string& text) {
    const int length = static_cast<int>(text.size());
    std::wstring result(::MultiByteToWideChar(CP_UTF8, 0, text.data(), length, nullptr, 0), L'\0');
    ::MultiByteToWideChar(CP_UTF8, 0, text.data(), length, result.data(),
                          static_cast<int>(result.size()));
    return result;
}

/// What is wrong with an open file, or nothing.
std::string problem_of(HANDLE file, LARGE_INTEGER& size) {
    BY_HANDLE_FILE_INFORMATION info{};
    if (::GetFileType(file) != FILE_TYPE_DISK) return "is not a regular file";
    if (!::GetFileInformationByHandle(file, &info)) return last_error();
    if (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) return "is a directory, not a GGUF file";
    if (!::GetFileSizeEx(file, &size)) return last_error();
    return size.QuadPart == 0 ? "is empty" : "";
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
    // FILE_FLAG_BACKUP_SEMANTICS opens directories as well, which are then named as what they are.
    const HANDLE file = ::CreateFileW(
        wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_BACKUP_SEMANTICS, nullptr);
    if (file == INVALID_HANDLE_VALUE)
        throw ModelFileError(path + ": cannot be opened: " + last_error());
    LARGE_INTEGER size{};
    if (const std::string problem = problem_of(file, size); !problem.empty()) {
        ::CloseHandle(file);
        throw ModelFileError(path + ": " + problem);
    }
    handle_ = reinterpret_cast<intptr_t>(file);
    size_ = static_cast<uint64_t>(size.QuadPart);
}

InputFile::~InputFile() {
    if (handle_ != kClosed) ::CloseHandle(reinterpret_cast<HANDLE>(handle_));
}

size_t InputFile::read_some(uint64_t offset, std::span<std::byte> out) const {
    OVERLAPPED position{};
    position.Offset = static_cast<DWORD>(offset);
    position.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD count = 0;
    const auto wanted = static_cast<DWORD>(std::min(out.size(), kLargestRead));
    if (!::ReadFile(reinterpret_cast<HANDLE>(handle_), out.data(), wanted, &count, &position) &&
        ::GetLastError() != ERROR_HANDLE_EOF)
        throw ModelFileError(path_ + ": cannot be read: " + last_error());
    return count;
}

}  // namespace parrotlet
