// Names of tensor types, as Python gives them.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "quant/blocks.h"

namespace parrotlet {

inline TensorType type_named(const std::string& name) {
    if (const auto type = tensor_type_from_name(name)) return *type;
    std::string known;
    for (TensorType type : tensor_types()) {
        if (!known.empty()) known += ", ";
        known += block_layout(type).name;
    }
    throw pybind11::value_error("type '" + name + "' is unknown; known are " + known);
}

}  // namespace parrotlet
