// The parts of the Python module parrotlet._core.
#pragma once

#include <pybind11/pybind11.h>

namespace parrotlet {

class GgufFile;

/// The metadata of a file by key, text as str.
pybind11::dict metadata_dict(const GgufFile& file);

void bind_types(pybind11::module_& module);
void bind_gguf(pybind11::module_& module);
void bind_model(pybind11::module_& module);
void bind_stream(pybind11::module_& module);
void bind_search(pybind11::module_& module);
void bind_kernels(pybind11::module_& module);
void bind_sizes(pybind11::module_& module);

}  // namespace parrotlet
