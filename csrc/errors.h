// The failures the C++ side can report; bindings/ turns each into its Python class.
#pragma once

#include <stdexcept>
#include <string>

namespace parrotlet {

/// The file is not what it claims to be: cut, inconsistent, or no GGUF at all.
struct ModelFileError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The file is sound, but describes something this runtime does not compute.
struct UnsupportedModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A language model contradicts itself, or was made for another vocabulary.
struct LanguageModelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace parrotlet
