#include "gguf/metadata.h"

#include <algorithm>

#include "errors.h"

namespace parrotlet {

MetadataReader::MetadataReader(const GgufFile& file, std::string architecture,
                               uint64_t newest_version)
    : file_(file), architecture_(std::move(architecture)) {
    const auto version = file.get<uint64_t>(name("format_version"));
    if (version > newest_version)
        throw UnsupportedModelError(file.path() + ": the file has format version " +
                                    std::to_string(version) + ", this parrotlet reads up to " +
                                    std::to_string(newest_version) + "; update parrotlet");
}

int MetadataReader::integer(const std::string& key, int64_t low, int64_t high) const {
    return checked(key, file_.get<int64_t>(name(key)), low, high);
}

std::vector<int> MetadataReader::integers(const std::string& key, int64_t low, int64_t high) const {
    std::vector<int> values;
    for (const int64_t value : file_.get<std::vector<int64_t>>(name(key)))
        values.push_back(checked(key, value, low, high));
    if (values.empty())
        throw ModelFileError(file_.path() + ": " + name(key) +
                             " is empty; convert the checkpoint again");
    return values;
}

/// `value` of `key`, or a ModelFileError.
int MetadataReader::checked(const std::string& key, int64_t value, int64_t low,
                            int64_t high) const {
    if (value < low || value > high)
        throw ModelFileError(file_.path() + ": " + name(key) + " is " + std::to_string(value) +
                             ", outside " + std::to_string(low) + " to " + std::to_string(high) +
                             "; convert the checkpoint again");
    return static_cast<int>(value);
}

float MetadataReader::real(const std::string& key) const {
    return static_cast<float>(file_.get<double>(name(key)));
}

size_t MetadataReader::choice(const std::string& key,
                              std::initializer_list<const char*> known) const {
    const std::string value = text(key);
    const auto found = std::ranges::find(known, value);
    if (found != known.end()) return found - known.begin();
    std::string names;
    for (const char* const* each = known.begin(); each != known.end(); each++) {
        if (each != known.begin()) names += each + 1 == known.end() ? " and " : ", ";
        names += *each;
    }
    throw UnsupportedModelError(file_.path() + ": " + name(key) + " '" + value +
                                "' is not supported (" + names + " are); update parrotlet");
}

}  // namespace parrotlet
