// The Python module parrotlet._core: checks of arguments, and the GIL. No logic.

#include "bindings/bindings.h"
#include "errors.h"
#include "runtime/per_thread.h"

namespace parrotlet {
namespace {

namespace py = pybind11;

/// Turns the C++ errors into the classes of parrotlet.errors.
void register_errors() {
    py::register_exception_translator([](std::exception_ptr pointer) {
        const auto raise = [](const char* name, const std::exception& e) {
            const py::object type = py::module_::import("parrotlet.errors").attr(name);
            // Messages may quote what a damaged file holds, which need not be UTF-8.
            const std::string_view what = e.what();
            const auto text = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
                what.data(), static_cast<py::ssize_t>(what.size()), "replace"));
            PyErr_SetObject(type.ptr(), text.ptr());
        };
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const ModelFileError& e) {
            raise("ModelFileError", e);
        } catch (const UnsupportedModelError& e) {
            raise("UnsupportedModelError", e);
        } catch (const LanguageModelError& e) {
            raise("LanguageModelError", e);
        }
    });
}

}  // namespace
}  // namespace parrotlet

PYBIND11_MODULE(_core, m) {
    parrotlet::can_throw();  // while there is memory: later, on this thread, there may be none
    m.doc() = "The C++ runtime of parrotlet.";
    parrotlet::register_errors();
    parrotlet::bind_types(m);
    parrotlet::bind_gguf(m);
    parrotlet::bind_model(m);
    parrotlet::bind_stream(m);
    parrotlet::bind_search(m);
    parrotlet::bind_decoding(m);
    parrotlet::bind_kernels(m);
    parrotlet::bind_sizes(m);
}
