// The Python module parrotlet._core: types, checks of arguments, and the GIL. No logic.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "bindings/arrays.h"
#include "bindings/types.h"
#include "errors.h"
#include "kernels/dispatch.h"
#include "models/acoustic_model.h"
#include "models/conformer/model.h"
#include "quant/blocks.h"

namespace parrotlet {

void bind_kernels(py::module_& module);
void bind_sizes(py::module_& module);

namespace {

using namespace pybind11::literals;

constexpr float kMaxHalf = 65504;

/// A metadata value; text as str, or as the bytes it has in the file, which need not be UTF-8.
py::object to_python(const MetadataValue& value, bool text_as_bytes = false) {
    return std::visit(
        [=](const auto& v) -> py::object {
            using T = std::decay_t<decltype(v)>;
            if constexpr (std::is_same_v<T, MetadataArray>) {
                py::list list;
                for (const MetadataValue& element : v.elements)
                    list.append(to_python(element, text_as_bytes));
                return list;
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

py::dict metadata_dict(const GgufFile& file) {
    py::dict dict;
    for (const auto& [key, value] : file.metadata()) dict[to_python({key})] = to_python(value);
    return dict;
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
    std::vector<py::ssize_t> shape(info->ne.rbegin(), info->ne.rend());
    py::array_t<float> result(shape);
    decode_tensor(file, *info, result.mutable_data());
    return result;
}

py::array_t<uint8_t> quantize(const FloatArray& values, const std::string& type_name) {
    const TensorType type = type_named(type_name);
    require_rank(values, 2, "array");
    const size_t rows = values.shape(0), columns = values.shape(1);
    const BlockLayout layout = block_layout(type);
    if (columns % layout.elements != 0)
        throw py::value_error("rows of " + std::to_string(columns) +
                              " values do not divide into blocks of " +
                              std::to_string(layout.elements) + " (" + type_name + ")");
    const size_t stride = row_bytes(type, columns);
    py::array_t<uint8_t> result({rows, stride});
    auto* out = reinterpret_cast<std::byte*>(result.mutable_data());
    const float* in = values.data();
    py::gil_scoped_release release;
    const auto storable = [](float value) { return std::fabs(value) <= kMaxHalf; };
    if (layout.elements > 1 && !std::all_of(in, in + rows * columns, storable))
        throw py::value_error("a value is not finite or too large for " + type_name);
    for (size_t r = 0; r < rows; r++)
        encode_row(type, {in + r * columns, columns}, out + r * stride);
    return result;
}

py::array_t<float> dequantize(const ByteArray& data, const std::string& type_name, size_t columns) {
    const TensorType type = type_named(type_name);
    require_rank(data, 2, "data");
    const size_t rows = data.shape(0), stride = data.shape(1);
    if (columns % block_layout(type).elements != 0 || row_bytes(type, columns) != stride)
        throw py::value_error("rows of " + std::to_string(stride) + " bytes are not " +
                              std::to_string(columns) + " values of " + type_name);
    py::array_t<float> result({rows, columns});
    const auto* in = reinterpret_cast<const std::byte*>(data.data());
    for (size_t r = 0; r < rows; r++)
        decode_row(type, in + r * stride, {result.mutable_data() + r * columns, columns});
    return result;
}

void bind_types(py::module_& m) {
    m.def("types", [] {
        py::list names;
        for (TensorType type : tensor_types()) names.append(py::str(block_layout(type).name));
        return names;
    });
    m.def(
        "block_layout",
        [](const std::string& type) {
            const BlockLayout layout = block_layout(type_named(type));
            return py::make_tuple(layout.elements, layout.bytes);
        },
        "type"_a);
    m.def("quantize", quantize, "array"_a, "type"_a);
    m.def("dequantize", dequantize, "data"_a, "type"_a, "cols"_a);
    m.def("isa", [] { return default_table().isa; });
    m.def("available_isas", [] {
        py::list names;
        for (const KernelTable* table : available_tables()) names.append(table->isa);
        return names;
    });
}

void bind_gguf(py::module_& m) {
    py::class_<TensorInfo>(m, "TensorInfo")
        .def_readonly("name", &TensorInfo::name)
        .def_property_readonly("ne", [](const TensorInfo& t) { return shape_tuple(t, false); })
        .def_property_readonly("shape", [](const TensorInfo& t) { return shape_tuple(t, true); })
        .def_property_readonly("type",
                               [](const TensorInfo& t) { return block_layout(t.type).name; })
        .def_readonly("offset", &TensorInfo::offset)
        .def_readonly("n_bytes", &TensorInfo::n_bytes);
    py::class_<GgufFile>(m, "GgufFile")
        .def(py::init<const std::string&>(), "path"_a)
        .def_property_readonly("path", &GgufFile::path)
        .def_property_readonly("version", &GgufFile::version)
        .def_property_readonly("alignment", &GgufFile::alignment)
        .def_property_readonly("metadata", metadata_dict)
        .def_property_readonly("entries", metadata_entries)
        .def_property_readonly("tensors", &GgufFile::tensors)
        .def("tensor", decoded, "name"_a);
}

/// A predictor's state together with the model it belongs to.
struct Predictor {
    std::shared_ptr<const ConformerModel> model;
    PredictorState state;
};

void require_head(bool present, const char* head) {
    if (!present) throw py::value_error(std::string("the model has no ") + head + " head");
}

/// The model as one of the family that has transducers; a Python error if it has none.
std::shared_ptr<const ConformerModel> require_transducer(const AcousticModel& model) {
    auto conformer = std::dynamic_pointer_cast<const ConformerModel>(model.shared_from_this());
    require_head(conformer && conformer->has_transducer(), "transducer");
    return conformer;
}

void bind_predictor(py::module_& m) {
    py::class_<Predictor>(m, "Predictor")
        .def(
            "update",
            [](Predictor& p, int token) {
                if (token < 0 || token > p.model->config().decoder.vocab_size)
                    throw py::value_error("token " + std::to_string(token) +
                                          " is not in the vocabulary");
                py::gil_scoped_release release;
                p.model->advance_predictor(token, p.state);
            },
            "token"_a)
        .def(
            "logits",
            [](const Predictor& p, const FloatArray& frame) {
                require_shape(frame, {p.model->transducer().joint_hidden()}, "frame");
                py::array_t<float> logits(p.model->transducer().outputs());
                const float* in = frame.data();
                float* out = logits.mutable_data();
                py::gil_scoped_release release;
                p.model->joint(in, p.state, out);
                return logits;
            },
            "frame"_a)
        .def("copy", [](const Predictor& p) { return p; });
}

py::dict stage_seconds(const StageTimes& times) {
    py::dict seconds;
    for (size_t i = 0; i < kStageNames.size(); i++)
        seconds[kStageNames[i]] =
            static_cast<double>(times.nanoseconds(static_cast<Stage>(i))) * 1e-9;
    return seconds;
}

void require_encodable(int frames, int left, int right) {
    if (frames == 0) throw py::value_error("features have no frames");
    if (left < -1 || right < -1)
        throw py::value_error("an attention context is -1 (unlimited) or a count of frames");
}

/// Encoder frames of several recordings, which go through the encoder together.
py::list encode_many(const AcousticModel& model, const std::vector<FloatArray>& features, int left,
                     int right) {
    std::vector<FeatureRows> recordings;
    std::vector<py::ssize_t> rows;
    for (const FloatArray& recording : features) {
        require_shape(recording, {-1, model.mel_bands()}, "features");
        const int frames = static_cast<int>(recording.shape(0));
        require_encodable(frames, left, right);
        recordings.push_back({recording.data(), frames});
        rows.push_back(model.encoder_frames(frames));
    }
    const py::ssize_t d_model = model.d_model();
    py::array_t<float> encoded(
        {std::accumulate(rows.begin(), rows.end(), py::ssize_t{0}), d_model});
    float* out = encoded.mutable_data();
    {
        py::gil_scoped_release release;
        model.encode(recordings, {left, right}, out);
    }
    py::list result;  // of views
    for (const py::ssize_t count : rows) {
        result.append(py::array_t<float>({count, d_model}, out, encoded));
        out += count * d_model;
    }
    return result;
}

void bind_model(py::module_& m) {
    using Model = AcousticModel;
    py::class_<Model, std::shared_ptr<Model>>(m, "Model")
        .def(py::init([](const std::string& path, int threads) {
                 if (threads < 1 || threads > 1024)
                     throw py::value_error("threads must be from 1 to 1024, not " +
                                           std::to_string(threads));
                 py::gil_scoped_release release;
                 return load_model(path, threads);
             }),
             "path"_a, "threads"_a)
        .def_property_readonly("metadata",
                               [](const Model& model) { return metadata_dict(model.file()); })
        .def_property_readonly("threads", &Model::threads)
        .def_property_readonly("can_stream", &Model::can_stream)
        .def_property_readonly("isa", [](const Model& model) { return model.kernels().isa; })
        .def(
            "features",
            [](const Model& model, const FloatArray& samples) {
                require_rank(samples, 1, "samples");
                const std::span<const float> in(samples.data(), samples.size());
                py::array_t<float> out({model.feature_frames(in.size()), model.mel_bands()});
                float* features = out.mutable_data();
                py::gil_scoped_release release;
                model.features(in, features);
                return out;
            },
            "samples"_a)
        .def(
            "encode",
            [](const Model& model, const FloatArray& features, int left, int right) {
                require_shape(features, {-1, model.mel_bands()}, "features");
                const int frames = static_cast<int>(features.shape(0));
                require_encodable(frames, left, right);
                py::array_t<float> out({model.encoder_frames(frames), model.d_model()});
                const float* in = features.data();
                float* encoded = out.mutable_data();
                py::gil_scoped_release release;
                const FeatureRows recording{in, frames};
                model.encode({&recording, 1}, {left, right}, encoded);
                return out;
            },
            "features"_a, "left"_a, "right"_a)
        .def("encode_many", encode_many, "features"_a, "left"_a, "right"_a)
        .def(
            "ctc_log_probs",
            [](const Model& model, const FloatArray& encoded) {
                require_head(model.has_ctc(), "CTC");
                require_shape(encoded, {-1, model.d_model()}, "encoded");
                const int frames = static_cast<int>(encoded.shape(0));
                py::array_t<float> out({frames, model.labels()});
                const float* in = encoded.data();
                float* log_probs = out.mutable_data();
                py::gil_scoped_release release;
                if (frames > 0) model.ctc_log_probs(in, frames, log_probs);
                return out;
            },
            "encoded"_a)
        .def(
            "project_encoder",
            [](const Model& model, const FloatArray& encoded) {
                const auto conformer = require_transducer(model);
                require_shape(encoded, {-1, model.d_model()}, "encoded");
                const int frames = static_cast<int>(encoded.shape(0));
                py::array_t<float> out({frames, conformer->transducer().joint_hidden()});
                const float* in = encoded.data();
                float* projected = out.mutable_data();
                py::gil_scoped_release release;
                if (frames > 0) conformer->project_encoder(in, frames, projected);
                return out;
            },
            "encoded"_a)
        .def("predictor",
             [](const Model& model) {
                 const auto conformer = require_transducer(model);
                 py::gil_scoped_release release;
                 return Predictor{conformer, conformer->start_predictor()};
             })
        .def("start_timing", &Model::start_timing)
        .def("stop_timing", [](const Model& model) { return stage_seconds(model.stop_timing()); });
}

py::array_t<float> frames_array(const AcousticModel& model, std::span<const float> encoded) {
    const py::ssize_t d_model = model.d_model();
    py::array_t<float> out({static_cast<py::ssize_t>(encoded.size()) / d_model, d_model});
    std::copy(encoded.begin(), encoded.end(), out.mutable_data());
    return out;
}

/// Frames [n, d_model] that `produce` appends to a vector, without the GIL.
template <typename Produce>
py::array_t<float> stream_frames(const AcousticStream& stream, Produce produce) {
    std::vector<float> encoded;
    {
        py::gil_scoped_release release;
        produce(encoded);
    }
    return frames_array(stream.model(), encoded);
}

/// Feeds streams of one model together; gives the frames of each.
py::list feed_streams(const std::vector<AcousticStream*>& streams,
                      const std::vector<FloatArray>& samples) {
    if (streams.size() != samples.size())
        throw py::value_error("there must be samples for each stream");
    if (streams.empty()) return py::list();
    const AcousticModel& model = streams[0]->model();
    std::vector<std::span<const float>> in;
    for (size_t i = 0; i < streams.size(); i++) {
        require_rank(samples[i], 1, "samples");
        if (&streams[i]->model() != &model)
            throw py::value_error("streams that are fed together must be of one model");
        in.emplace_back(samples[i].data(), samples[i].size());
    }
    if (std::set(streams.begin(), streams.end()).size() != streams.size())
        throw py::value_error("a stream is there twice");
    std::vector<std::vector<float>> encoded(streams.size());
    {
        py::gil_scoped_release release;
        model.feed(streams, in, encoded);
    }
    py::list result;
    for (const std::vector<float>& frames : encoded) result.append(frames_array(model, frames));
    return result;
}

void bind_stream(py::module_& m) {
    using Stream = AcousticStream;
    m.def("feed_streams", feed_streams, "streams"_a, "samples"_a);
    py::class_<Stream>(m, "Stream")
        .def(py::init([](const AcousticModel& model, int left, int right) {
                 if (!model.can_stream()) throw py::value_error("the model cannot stream");
                 if (left < -1 || right < 0 || left > 1 << 16 || right > 1 << 16)
                     throw py::value_error("a stream needs a limited right context");
                 py::gil_scoped_release release;
                 return model.stream({left, right});
             }),
             "model"_a, "left"_a, "right"_a)
        .def(
            "feed",
            [](Stream& stream, const FloatArray& samples) {
                require_rank(samples, 1, "samples");
                const std::span<const float> in(samples.data(), samples.size());
                return stream_frames(
                    stream, [&](std::vector<float>& encoded) { stream.feed(in, encoded); });
            },
            "samples"_a)
        .def("finish",
             [](Stream& stream) {
                 return stream_frames(stream,
                                      [&](std::vector<float>& encoded) { stream.finish(encoded); });
             })
        .def_property_readonly("is_preview", &Stream::is_preview)
        .def("revise", [](Stream& stream) {
            return stream_frames(stream,
                                 [&](std::vector<float>& encoded) { stream.revise(encoded); });
        });
}

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
        }
    });
}

}  // namespace
}  // namespace parrotlet

PYBIND11_MODULE(_core, m) {
    m.doc() = "The C++ runtime of parrotlet.";
    parrotlet::register_errors();
    parrotlet::bind_types(m);
    parrotlet::bind_gguf(m);
    parrotlet::bind_predictor(m);
    parrotlet::bind_model(m);
    parrotlet::bind_stream(m);
    parrotlet::bind_kernels(m);
    parrotlet::bind_sizes(m);
}
