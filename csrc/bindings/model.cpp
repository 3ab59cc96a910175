// Models and their streams as Python objects.

#include <pybind11/stl.h>

#include <algorithm>
#include <array>

#include "audio/silence.h"
#include "bindings/arguments.h"
#include "bindings/bindings.h"
#include "heads/ctc.h"
#include "models/acoustic_stream.h"
#include "models/buffered_stream.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

using Model = AcousticModel;
using Stream = AcousticStream;

py::array_t<float> features(const Model& model, const FloatArray& samples) {
    const std::span<const float> in = checked_samples(samples);
    const LogMel& frontend = model.frontend();
    py::array_t<float> out({frontend.frames(in.size()), frontend.mel_bands()});
    float* result = out.mutable_data();
    py::gil_scoped_release release;
    model.executor().run([&](Context& context) { frontend(context, in, result); });
    return out;
}

/// Encoder frames of all recordings, one after the other.
py::array_t<float> encode_recordings(const Model& model, std::span<const FloatArray> features,
                                     AttentionContext attention) {
    const Encoder& encoder = model.encoder();
    std::vector<FeatureRows> recordings;
    int total = 0;
    for (const FloatArray& recording : features) {
        require_shape(recording, {-1, model.frontend().mel_bands()}, "features");
        const int frames = static_cast<int>(recording.shape(0));
        if (frames == 0) throw py::value_error("features have no frames");
        recordings.push_back({recording.data(), frames});
        total += encoder.output_frames(frames);
    }
    py::array_t<float> out({total, encoder.d_model()});
    float* encoded = out.mutable_data();
    py::gil_scoped_release release;
    model.executor().run(
        [&](Context& context) { encoder(context, recordings, attention, encoded); });
    return out;
}

py::array_t<float> encode(const Model& model, const FloatArray& features, int left, int right,
                          int chunk) {
    return encode_recordings(model, {&features, 1}, checked_attention(left, right, chunk));
}

/// Encoder frames of several recordings, which go through the encoder together: views of one array.
py::list encode_many(const Model& model, const std::vector<FloatArray>& features, int left,
                     int right) {
    py::array_t<float> encoded = encode_recordings(model, features, checked_attention(left, right));
    const float* frames = encoded.data();
    py::list result;
    for (const FloatArray& recording : features) {
        const int count = model.encoder().output_frames(static_cast<int>(recording.shape(0)));
        result.append(py::array_t<float>({count, model.encoder().d_model()}, frames, encoded));
        frames += static_cast<size_t>(count) * model.encoder().d_model();
    }
    return result;
}

/// The encoder's frames with a prompt.
py::array_t<float> give_prompt(const Model& model, const FloatArray& encoded, int prompt) {
    if (model.prompts() == 0) throw py::value_error("the model has no prompts");
    require_shape(encoded, {-1, model.encoder().d_model()}, "encoded");
    const PromptedRows rows{static_cast<int>(encoded.shape(0)), checked_prompt(model, prompt)};
    py::array_t<float> out({encoded.shape(0), encoded.shape(1)});
    float* frames = out.mutable_data();
    std::copy_n(encoded.data(), encoded.size(), frames);
    py::gil_scoped_release release;
    model.executor().run(
        [&](Context& context) { model.parts().give_prompts(context, {&rows, 1}, frames); });
    return out;
}

py::array_t<float> ctc_log_probs(const Model& model, const FloatArray& encoded) {
    const auto* ctc = model.heads().of_kind<CtcHead>();
    if (ctc == nullptr) throw py::value_error("the model has no CTC head");
    require_shape(encoded, {-1, ctc->d_model()}, "encoded");
    const int frames = static_cast<int>(encoded.shape(0));
    py::array_t<float> out({frames, ctc->labels()});
    const float* in = encoded.data();
    float* result = out.mutable_data();
    py::gil_scoped_release release;
    if (frames > 0)
        model.executor().run(
            [&](Context& context) { ctc->log_probs(context, in, frames, result); });
    return out;
}

py::dict stage_seconds(const StageTimes& times) {
    py::dict seconds;
    for (size_t i = 0; i < kStageNames.size(); i++)
        seconds[kStageNames[i]] =
            static_cast<double>(times.nanoseconds(static_cast<Stage>(i))) * 1e-9;
    return seconds;
}

py::array_t<float> frames_array(const Model& model, std::span<const float> encoded) {
    const py::ssize_t d_model = model.encoder().d_model();
    py::array_t<float> out({static_cast<py::ssize_t>(encoded.size()) / d_model, d_model});
    std::copy(encoded.begin(), encoded.end(), out.mutable_data());
    return out;
}

/// Frames [n, d_model] that `produce` appends to a vector, without the GIL.
template <typename AnyStream, typename Produce>
py::array_t<float> stream_frames(const AnyStream& stream, Produce produce) {
    std::vector<float> encoded;
    {
        py::gil_scoped_release release;
        produce(encoded);
    }
    return frames_array(stream.model(), encoded);
}

std::unique_ptr<Stream> make_stream(const std::shared_ptr<Model>& model, int left, int right,
                                    int prompt) {
    if (!model->encoder().can_stream()) throw py::value_error("the model cannot stream");
    if (left < -1 || right < 0 || left > 1 << 16 || right > 1 << 16)
        throw py::value_error("a stream needs a limited right context");
    checked_prompt(*model, prompt);
    py::gil_scoped_release release;
    return std::make_unique<Stream>(model, AttentionContext{left, right}, prompt);
}

template <typename AnyStream>
void set_prompt(AnyStream& stream, int prompt) {
    checked_prompt(stream.model(), prompt);
    py::gil_scoped_release release;
    stream.set_prompt(prompt);
}

template <typename AnyStream>
py::array_t<float> feed_stream(AnyStream& stream, const FloatArray& samples) {
    const std::span<const float> in = checked_samples(samples);
    return stream_frames(stream, [&](std::vector<float>& encoded) { stream.feed(in, encoded); });
}

template <typename AnyStream>
py::array_t<float> finish_stream(AnyStream& stream) {
    return stream_frames(stream, [&](std::vector<float>& encoded) { stream.finish(encoded); });
}

std::unique_ptr<BufferedStream> make_buffered_stream(const std::shared_ptr<Model>& model,
                                                     std::array<int, 3> context,
                                                     std::array<int, 3> attention, int prompt) {
    const auto [left, chunk, right] = context;
    for (const int frames : context)
        if (frames < 0 || frames > 1 << 16)
            throw py::value_error("a window has 0 to 65536 frames before, in and after the chunk");
    if (chunk == 0) throw py::value_error("a chunk has at least one frame");
    auto stream = std::make_unique<BufferedStream>(
        model, BufferedContext{left, chunk, right},
        checked_attention(attention[0], attention[1], attention[2]));
    stream->set_prompt(checked_prompt(*model, prompt));
    return stream;
}

std::shared_ptr<Model> load(const std::string& path, int threads) {
    if (threads < 1 || threads > 1024)
        throw py::value_error("threads must be from 1 to 1024, not " + std::to_string(threads));
    py::gil_scoped_release release;
    return load_model(path, threads);
}

}  // namespace

void bind_model(py::module_& m) {
    m.def(
        "is_silent", [](const FloatArray& samples) { return is_silent(checked_samples(samples)); },
        "samples"_a);
    m.attr("SILENT_RANGE") = kSilentRange;
    py::class_<Model, std::shared_ptr<Model>>(m, "Model")
        .def(py::init(&load), "path"_a, "threads"_a)
        .def_property_readonly("metadata",
                               [](const Model& model) { return metadata_dict(model.file()); })
        .def_property_readonly("threads",
                               [](const Model& model) { return model.executor().threads(); })
        .def_property_readonly("can_stream",
                               [](const Model& model) { return model.encoder().can_stream(); })
        .def_property_readonly("isa",
                               [](const Model& model) { return model.executor().kernels().isa; })
        .def("features", features, "samples"_a)
        .def("encode", encode, "features"_a, "left"_a, "right"_a, "chunk"_a = -1)
        .def("encode_many", encode_many, "features"_a, "left"_a, "right"_a)
        .def_property_readonly("prompts", [](const Model& model) { return model.prompts(); })
        .def("give_prompt", give_prompt, "encoded"_a, "prompt"_a)
        .def("ctc_log_probs", ctc_log_probs, "encoded"_a)
        .def(
            "release_scratch", [](const Model& model) { model.executor().release_scratch(); },
            py::call_guard<py::gil_scoped_release>())
        .def("start_timing", [](const Model& model) { model.executor().start_timing(); })
        .def("stop_timing",
             [](const Model& model) { return stage_seconds(model.executor().stop_timing()); });
}

void bind_stream(py::module_& m) {
    py::class_<Stream>(m, "Stream")
        .def(py::init(&make_stream), "model"_a, "left"_a, "right"_a, "prompt"_a = 0)
        .def("set_prompt", &set_prompt<Stream>, "prompt"_a)
        .def("feed", &feed_stream<Stream>, "samples"_a)
        .def("finish", &finish_stream<Stream>)
        .def_property_readonly("is_preview", &Stream::is_preview)
        .def("revise", [](Stream& stream) {
            return stream_frames(stream,
                                 [&](std::vector<float>& encoded) { stream.revise(encoded); });
        });
    py::class_<BufferedStream>(m, "BufferedStream")
        .def(py::init(&make_buffered_stream), "model"_a, "context"_a, "attention"_a, "prompt"_a = 0)
        .def("set_prompt", &set_prompt<BufferedStream>, "prompt"_a)
        .def("feed", &feed_stream<BufferedStream>, "samples"_a)
        .def("finish", &finish_stream<BufferedStream>)
        // Frames are what they are at once.
        .def_property_readonly("is_preview", [](const BufferedStream&) { return false; })
        .def("revise",
             [](const BufferedStream& stream) { return frames_array(stream.model(), {}); });
}

}  // namespace parrotlet
