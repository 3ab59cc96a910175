// Model files as Python objects.

#include "gguf/reader.h"

#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "nn/weights.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

/// A metadata value; an array of u8 as bytes; text as str, or as the bytes that it has in the file,
/// which need not be UTF-8.
py::object to_python(const MetadataValue& value, bool text_as_bytes = false) {
    return std::visit(
        [=](const auto& v) -> py::object {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, MetadataArray>) {
                py::list list;
                for (const MetadataValue& element : v.elements)
                    list.append(to_python(element, text_as_bytes));
                return list;
            } else if constexpr (std::is_same_v<T, MetadataBytes>) {
                return py::bytes(reinterpret_cast<const char*>(v.data()), v.size());
            } else if constexpr (std::is_same_v<T, std::string>) {
                if (text_as_bytes) return py::bytes(v);
                return py::reinterpret_steal<py::object>(
                    PyUnicode_DecodeUTF8(v.data(), static_cast<py::ssize_t>(v.size()), "replace"));
            } else {
                return py::cast(v);
            }
        },
        value.value);
}

const char* metadata_type_name(MetadataType type) {
    switch (type) {
        case MetadataType::u8: return "u8";
        case MetadataType::i8: return "i8";
        case MetadataType::u16: return "u16";
        case MetadataType::i16: return "i16";
        case MetadataType::u32: return "u32";
        case MetadataType::i32: return "i32";
        case MetadataType::u64: return "u64";
        case MetadataType::i64: return "i64";
        case MetadataType::f32: return "f32";
        case MetadataType::f64: return "f64";
        case MetadataType::boolean: return "bool";
        case MetadataType::string: return "str";
        case MetadataType::array: return "array";
    }
    return "";
}

/// (key, kind, value) in the order of the file; kinds are "u32", "str", "f32[]".
py::list metadata_entries(const GgufFile& file) {
    py::list entries;
    for (const MetadataKey& key : file.keys()) {
        const MetadataValue& value = file.metadata().at(key.name);
        std::string kind = metadata_type_name(key.type);
        if (const auto* array = std::get_if<MetadataArray>(&value.value))
            kind = metadata_type_name(array->type) + std::string("[]");
        else if (std::holds_alternative<MetadataBytes>(value.value))
            kind = "u8[]";
        entries.append(py::make_tuple(key.name, kind, to_python(value, true)));
    }
    return entries;
}

py::tuple shape_tuple(const TensorInfo& info, bool reversed) {
    py::list shape;
    for (size_t i = 0; i < info.ne.size(); i++)
        shape.append(info.ne[reversed ? info.ne.size() - 1 - i : i]);
    return py::tuple(shape);
}

py::array_t<float> decoded(const GgufFile& file, const std::string& name) {
    const TensorInfo* info = file.find(name);
    if (info == nullptr) throw py::key_error(file.path() + " has no tensor " + name);
    if (info->foreign)
        throw py::value_error("tensor " + name + " is " + std::string(info->foreign->name) +
                              ", which is not decoded here");
    std::vector<py::ssize_t> shape(info->ne.rbegin(), info->ne.rend());
    py::array_t<float> result(shape);
    decode_tensor(file, *info, result.mutable_data());
    return result;
}

}  // namespace

py::dict metadata_dict(const GgufFile& file) {
    py::dict dict;
    for (const auto& [key, value] : file.metadata()) dict[to_python({key})] = to_python(value);
    return dict;
}

void bind_gguf(py::module_& m) {
    py::class_<TensorInfo>(m, "TensorInfo")
        .def_readonly("name", &TensorInfo::name)
        .def_property_readonly("ne", [](const TensorInfo& t) { return shape_tuple(t, false); })
        .def_property_readonly("shape", [](const TensorInfo& t) { return shape_tuple(t, true); })
        .def_property_readonly("type", [](const TensorInfo& t) { return t.layout().name; })
        .def_readonly("offset", &TensorInfo::offset)
        .def_readonly("n_bytes", &TensorInfo::n_bytes);
    py::class_<GgufFile>(m, "GgufFile")
        .def(py::init<const std::string&, bool>(), "path"_a, "any_type"_a = false)
        .def_property_readonly("path", &GgufFile::path)
        .def_property_readonly("version", &GgufFile::version)
        .def_property_readonly("alignment", &GgufFile::alignment)
        .def_property_readonly("metadata", metadata_dict)
        .def_property_readonly("entries", metadata_entries)
        .def_property_readonly("tensors", &GgufFile::tensors)
        .def("tensor", decoded, "name"_a);
}

}  // namespace parrotlet
