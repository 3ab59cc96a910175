// NumPy arguments and their checks.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <initializer_list>
#include <string>

namespace parrotlet {

namespace py = pybind11;

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Numbers = py::array_t<int64_t, py::array::c_style | py::array::forcecast>;
using ByteArray = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>;

inline void require_rank(const py::array& array, int rank, const char* name) {
    if (array.ndim() != rank)
        throw py::value_error(std::string(name) + " must have " + std::to_string(rank) +
                              " dimension(s), not " + std::to_string(array.ndim()));
}

/// -1 stands for any size.
inline void require_shape(const py::array& array, std::initializer_list<py::ssize_t> shape,
                          const char* name) {
    require_rank(array, static_cast<int>(shape.size()), name);
    int axis = 0;
    for (const py::ssize_t size : shape) {
        if (size >= 0 && array.shape(axis) != size)
            throw py::value_error(std::string(name) + " must have size " + std::to_string(size) +
                                  " along axis " + std::to_string(axis) + ", not " +
                                  std::to_string(array.shape(axis)));
        axis++;
    }
}

}  // namespace parrotlet
