// parrotlet._core.kernels: single operations of a chosen instruction set, for tests and benchmarks.

#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/types.h"
#include "heads/transducer.h"
#include "kernels/dispatch.h"
#include "kernels/machine_peak.h"
#include "models/acoustic_model.h"
#include "nn/attention.h"
#include "quant/blocks.h"

namespace parrotlet {

namespace {

using namespace pybind11::literals;

Activation activation_named(const std::string& name) {
    if (name == "none") return Activation::none;
    if (name == "relu") return Activation::relu;
    if (name == "silu") return Activation::silu;
    if (name == "glu") return Activation::glu;
    throw py::value_error("activation '" + name + "' is unknown");
}

/// A weight matrix as a layer holds it, with threads of its own.
class MatrixProduct {
  public:
    MatrixProduct(const std::string& isa, const FloatArray& weights, const std::string& type,
                  int threads, const std::string& activation)
        : kernels_(table_named(isa)), pool_(threads), activation_(activation_named(activation)) {
        require_rank(weights, 2, "weights");
        if (threads < 1 || threads > 1024) throw py::value_error("threads must be from 1 to 1024");
        if (activation_ == Activation::glu && weights.shape(0) % 2 != 0)
            throw py::value_error("a gated product needs an even number of rows");
        const auto known = tensor_type_from_name(type);
        const size_t n = weights.shape(0), k = weights.shape(1);
        if (!known || k % block_layout(*known).elements != 0)
            throw py::value_error("type '" + type + "' does not fit rows of " + std::to_string(k));
        const size_t stride = row_bytes(*known, k);
        std::vector<std::byte> encoded(n * stride);
        for (size_t r = 0; r < n; r++)
            encode_row(*known, {weights.data() + r * k, k}, encoded.data() + r * stride);
        const MatrixRows matrix{.type = *known,
                                .rows = n,
                                .length = k,
                                .read = [&](size_t first, size_t count, std::byte* out) {
                                    std::copy_n(encoded.data() + first * stride, count * stride,
                                                out);
                                }};
        matrix_ = PackedMatrix(
            {&matrix, 1}, activation_ == Activation::glu ? Arrangement::glu : Arrangement::stacked);
    }

    py::array_t<float> operator()(const FloatArray& x, const std::optional<FloatArray>& bias,
                                  const std::optional<FloatArray>& residual, float scale) {
        require_shape(x, {-1, matrix_.k()}, "x");
        const int m = static_cast<int>(x.shape(0));
        const int columns = activation_ == Activation::glu ? matrix_.n() / 2 : matrix_.n();
        if (bias) require_shape(*bias, {matrix_.n()}, "bias");
        if (residual) require_shape(*residual, {m, columns}, "residual");
        py::array_t<float> y({m, columns});
        Context context{kernels_, pool_, arena_};
        matrix_.multiply(context, x.data(), matrix_.k(), m, y.mutable_data(), columns,
                         {.bias = bias ? bias->data() : nullptr,
                          .activation = activation_,
                          .residual = residual ? residual->data() : nullptr,
                          .scale = scale});
        return y;
    }

    /// next(self(x)), the results in between being packed for the next product as they are made.
    py::array_t<float> then(const MatrixProduct& next, const FloatArray& x,
                            const FloatArray& bias) {
        require_shape(x, {-1, matrix_.k()}, "x");
        require_shape(bias, {matrix_.n()}, "bias");
        if (next.matrix_.k() != matrix_.n() || activation_ == Activation::glu)
            throw py::value_error("the next product does not take this one's results");
        const int m = static_cast<int>(x.shape(0)), columns = next.matrix_.n();
        py::array_t<float> y({m, columns});
        Context context{kernels_, pool_, arena_};
        Arena::Scope scope(arena_);
        const PackedRows packed = matrix_.pack(context, x.data(), matrix_.k(), m);
        const PackedRows between = matrix_.multiply(
            context, packed, next.matrix_, {.bias = bias.data(), .activation = activation_});
        next.matrix_.multiply(context, between, y.mutable_data(), columns, {});
        return y;
    }

  private:
    const KernelTable& kernels_;
    ThreadPool pool_;
    Arena arena_;
    Activation activation_;
    PackedMatrix matrix_;
};

py::array_t<float> layer_norm(const std::string& isa, const FloatArray& x, const FloatArray& gain,
                              const FloatArray& bias, float eps) {
    require_rank(x, 2, "x");
    require_shape(gain, {x.shape(1)}, "gain");
    require_shape(bias, {x.shape(1)}, "bias");
    py::array_t<float> y({x.shape(0), x.shape(1)});
    table_named(isa).layer_norm(x.data(), gain.data(), bias.data(), eps,
                                static_cast<int>(x.shape(0)), static_cast<int>(x.shape(1)),
                                y.mutable_data());
    return y;
}

using ByteArray = py::array_t<uint8_t, py::array::c_style>;

py::array_t<uint8_t> pack_q8_0(const std::string& isa, const ByteArray& rows) {
    require_rank(rows, 2, "rows");
    const py::ssize_t stride = rows.shape(1), blocks = stride / py::ssize_t(sizeof(BlockQ8_0));
    if (rows.shape(0) > kPanel) throw py::value_error("rows are those of one panel");
    std::array<const std::byte*, kPanel> columns{};
    for (py::ssize_t r = 0; r < rows.shape(0); r++)
        columns[size_t(r)] = reinterpret_cast<const std::byte*>(rows.data(r, 0));
    const py::ssize_t panels = (blocks * kBlock + kSpan - 1) / kSpan;
    py::array_t<uint8_t> out({panels, py::ssize_t(sizeof(PanelQ8_0))});
    std::vector<PanelQ8_0> packed(static_cast<size_t>(panels));
    table_named(isa).pack_q8_0(columns.data(), static_cast<int>(blocks), packed.data());
    std::memcpy(out.mutable_data(), packed.data(), packed.size() * sizeof(PanelQ8_0));
    return out;
}

py::array_t<float> silu_of(const std::string& isa, const FloatArray& x) {
    py::array_t<float> y(x.size());
    table_named(isa).silu(x.data(), static_cast<size_t>(x.size()), y.mutable_data());
    return y;
}

py::array_t<float> relu_add(const std::string& isa, const FloatArray& a, const FloatArray& b) {
    require_shape(b, {a.size()}, "b");
    py::array_t<float> y(a.size());
    table_named(isa).relu_add(a.data(), b.data(), static_cast<int>(a.size()), y.mutable_data());
    return y;
}

py::array_t<float> tanh_add(const std::string& isa, const FloatArray& a, const FloatArray& b) {
    require_shape(b, {a.size()}, "b");
    py::array_t<float> y(a.size());
    table_named(isa).tanh_add(a.data(), b.data(), static_cast<int>(a.size()), y.mutable_data());
    return y;
}

float sum_exp(const std::string& isa, const FloatArray& x, float offset) {
    require_rank(x, 1, "x");
    return table_named(isa).sum_exp(x.data(), static_cast<int>(x.size()), offset);
}

py::tuple lstm_cell(const std::string& isa, const FloatArray& gates, const FloatArray& cell) {
    require_shape(gates, {4 * cell.size()}, "gates");
    py::array_t<float> next_cell(cell.size()), hidden(cell.size());
    std::copy_n(cell.data(), cell.size(), next_cell.mutable_data());
    table_named(isa).lstm_cell(gates.data(), static_cast<int>(cell.size()),
                               next_cell.mutable_data(), hidden.mutable_data());
    return py::make_tuple(next_cell, hidden);
}

/// x [frames, channels], w [kernel, channels].
py::array_t<float> depthwise_conv1d(const std::string& isa, const FloatArray& x,
                                    const FloatArray& w, const FloatArray& bias, int left) {
    require_rank(x, 2, "x");
    require_shape(w, {-1, x.shape(1)}, "w");
    require_shape(bias, {x.shape(1)}, "bias");
    py::array_t<float> y({x.shape(0), x.shape(1)});
    const int frames = static_cast<int>(x.shape(0)), channels = static_cast<int>(x.shape(1));
    table_named(isa).depthwise_conv1d({.x = x.data(),
                                       .w = w.data(),
                                       .bias = bias.data(),
                                       .y = y.mutable_data(),
                                       .x_frames = frames,
                                       .frames = frames,
                                       .channels = channels,
                                       .kernel = static_cast<int>(w.shape(0)),
                                       .left = left,
                                       .channel_begin = 0,
                                       .channel_end = channels});
    return y;
}

/// x [frames, bins] (first) or [frames, bins, channels] (depthwise), w [9, channels].
py::array_t<float> conv2d(const std::string& isa, const FloatArray& x, const FloatArray& w,
                          const FloatArray& bias, int left, int frames, int bins) {
    require_shape(w, {9, bias.size()}, "w");
    const bool depthwise = x.ndim() == 3;
    const py::ssize_t channels = bias.size();
    if (depthwise)
        require_shape(x, {-1, -1, channels}, "x");
    else
        require_rank(x, 2, "x");
    py::array_t<float> y({py::ssize_t{frames}, py::ssize_t{bins}, channels});
    const Conv2dArgs args{.x = x.data(),
                          .w = w.data(),
                          .bias = bias.data(),
                          .y = y.mutable_data(),
                          .x_frames = static_cast<int>(x.shape(0)),
                          .frames = frames,
                          .offset = left,
                          .in_bins = static_cast<int>(x.shape(1)),
                          .out_bins = bins,
                          .left = left,
                          .channels = static_cast<int>(channels)};
    const KernelTable& kernels = table_named(isa);
    (depthwise ? kernels.depthwise_conv2d : kernels.conv2d_first)(args);
    return y;
}

const AttentionKernel& attention_kernel(const KernelTable& kernels, const std::string& type) {
    if (type == "f32") return kernels.attention_f32;
    if (type == "f16") return kernels.attention_f16;
    if (type == "q8_0") return kernels.attention_q8;
    throw py::value_error("type must be f32, f16 or q8_0");
}

/// Keys and values packed as those of a stream are: k and v [dropped + frames, d], which fill their
/// room. The first `dropped` go, and the last half of the others come once more, one by one.
void put_as_a_stream(const AttentionKernel& kernel, const FloatArray& k, const FloatArray& v,
                     int dropped, std::byte* keys, std::byte* values) {
    const int rows = static_cast<int>(k.shape(0)), d = static_cast<int>(k.shape(1));
    kernel.put_keys(k.data(), d, rows, d, 0, keys);
    kernel.put_values(v.data(), d, rows, d, 0, rows, values);
    kernel.drop_rows(dropped, rows - dropped, d, rows, keys, values);
    for (int i = dropped + (rows - dropped) / 2; i < rows; i++) {
        kernel.put_keys(k.data() + i * d, d, 1, d, i - dropped, keys);
        kernel.put_values(v.data() + i * d, d, 1, d, i - dropped, rows, values);
    }
}

/// One head: q, k, v [frames, d], p [positions, d] whose row r is position p_first - r, and the run
/// of keys each query sees. Without p, positions do not count. With global_k and global_v [d] there
/// is one more key, which every query sees. With `dropped`, a multiple of 16, k and v have as many
/// rows more, the first ones, which nothing sees.
py::array_t<float> attention(const std::string& isa, const std::string& type, const FloatArray& q,
                             const FloatArray& k, const FloatArray& v,
                             const std::optional<FloatArray>& p, int p_first,
                             const FloatArray& bias_u, const FloatArray& bias_v,
                             const std::vector<int>& key_begin, const std::vector<int>& key_end,
                             const std::optional<FloatArray>& global_k,
                             const std::optional<FloatArray>& global_v, int dropped) {
    require_rank(q, 2, "q");
    const int frames = static_cast<int>(q.shape(0)), d = static_cast<int>(q.shape(1));
    if (dropped < 0 || dropped % kPanel != 0)
        throw py::value_error("dropped must be a multiple of 16");
    const int rows = dropped + frames;
    require_shape(k, {rows, d}, "k");
    require_shape(v, {rows, d}, "v");
    if (p) require_shape(*p, {-1, d}, "p");
    require_shape(bias_u, {d}, "bias_u");
    require_shape(bias_v, {d}, "bias_v");
    if (global_k.has_value() != global_v.has_value())
        throw py::value_error("global_k and global_v go together");
    if (global_k) require_shape(*global_k, {d}, "global_k");
    if (global_v) require_shape(*global_v, {d}, "global_v");
    const int positions = p ? static_cast<int>(p->shape(0)) : 0;
    constexpr int kReach = kPositionSlack;
    if (static_cast<int>(key_begin.size()) != frames || static_cast<int>(key_end.size()) != frames)
        throw py::value_error("key_begin and key_end must have one entry per query");
    if (p && (p_first < frames - 1 + kReach || positions - p_first < frames + kReach))
        throw py::value_error("the positions must reach 64 beyond all distances");
    for (int i = 0; i < frames; i++)
        if (key_begin[i] < 0 || key_end[i] > frames || key_begin[i] > key_end[i])
            throw py::value_error("a run of keys is not among the keys");
    Arena arena;
    const AttentionKernel& kernel = attention_kernel(table_named(isa), type);
    // Each by itself, so that AddressSanitizer sees what is read or written beside it.
    Buffer<std::byte> keys(kernel.key_bytes(rows, d)), values(kernel.value_bytes(rows, d));
    auto* p_panels = p ? arena.allocate<std::byte>(kernel.key_bytes(positions, d)) : nullptr;
    put_as_a_stream(kernel, k, v, dropped, keys.data(), values.data());
    if (p) kernel.put_keys(p->data(), d, positions, d, 0, p_panels);
    auto* scratch = arena.allocate<std::byte>(kernel.scratch_bytes(d, frames));
    py::array_t<float> y({frames, d});
    for (int first = 0; first < frames; first += kQueryTile)
        kernel.attend({.q = q.data() + first * d,
                       .q_stride = size_t(d),
                       .bias_u = bias_u.data(),
                       .bias_v = bias_v.data(),
                       .k = keys.data(),
                       .v = values.data(),
                       .p = p_panels,
                       .y = y.mutable_data() + first * d,
                       .y_stride = size_t(d),
                       .global_k = global_k ? global_k->data() : nullptr,
                       .global_v = global_v ? global_v->data() : nullptr,
                       .d = d,
                       .keys = rows,
                       .queries = std::min(kQueryTile, frames - first),
                       .query_index = first,
                       .p_first = p_first,
                       .key_begin = key_begin.data() + first,
                       .key_end = key_end.data() + first,
                       .scratch = scratch});
    return y;
}

/// logits [n, outputs] of n hypotheses at encoder frames [n, d_model]. In each step hypothesis i
/// goes on from hypothesis parents[i] of the step before with token tokens[i]; before the first
/// there is one.
py::array_t<float> hypotheses(const AcousticModel& model,
                              const std::vector<std::vector<int>>& parents,
                              const std::vector<std::vector<int>>& tokens,
                              const FloatArray& encoded) {
    const auto* transducer = model.heads().of_kind<Transducer>();
    if (transducer == nullptr) throw py::value_error("the model has no transducer head");
    if (parents.size() != tokens.size()) throw py::value_error("each step has parents and tokens");
    const auto below = [](const std::vector<int>& values, size_t end) {
        return std::all_of(values.begin(), values.end(),
                           [=](int value) { return value >= 0 && size_t(value) < end; });
    };
    size_t rows = 1;
    for (size_t step = 0; step < tokens.size(); step++) {
        if (parents[step].size() != tokens[step].size() || !below(parents[step], rows) ||
            !below(tokens[step], transducer->labels()))
            throw py::value_error("a step's parents or tokens are not there");
        rows = parents[step].size();
    }
    const int count = static_cast<int>(rows), hidden = transducer->joint_hidden();
    require_shape(encoded, {count, transducer->d_model()}, "encoded");
    const float* in = encoded.data();
    py::array_t<float> logits({count, transducer->outputs()});
    float* out = logits.mutable_data();
    py::gil_scoped_release release;
    model.executor().run([&](Context& context) {
        PredictorState state = transducer->start(context);
        for (size_t step = 0; step < tokens.size(); step++) {
            state = state.gather(parents[step]);
            transducer->advance(context, tokens[step], state);
        }
        auto* projected = context.arena.allocate<float>(rows * hidden);
        transducer->project_encoder(context, in, count, projected);
        std::vector<const float*> frames;
        for (size_t i = 0; i < rows; i++) frames.push_back(projected + i * hidden);
        transducer->joint(context, frames, state, out);
    });
    return logits;
}

}  // namespace

void bind_kernels(py::module_& module) {
    py::module_ m = module.def_submodule("kernels", "Single operations, for tests and benchmarks.");
    py::class_<MatrixProduct>(m, "MatrixProduct")
        .def(py::init<const std::string&, const FloatArray&, const std::string&, int,
                      const std::string&>(),
             "isa"_a, "weights"_a, "type"_a, "threads"_a = 1, "activation"_a = "none")
        .def("__call__", &MatrixProduct::operator(), "x"_a, "bias"_a = py::none(),
             "residual"_a = py::none(), "scale"_a = 1.0f)
        .def("then", &MatrixProduct::then, "next"_a, "x"_a, "bias"_a);
    m.def("layer_norm", layer_norm, "isa"_a, "x"_a, "gain"_a, "bias"_a, "eps"_a);
    m.def("pack_q8_0", pack_q8_0, "isa"_a, "rows"_a);
    m.def("silu", silu_of, "isa"_a, "x"_a);
    m.def("relu_add", relu_add, "isa"_a, "a"_a, "b"_a);
    m.def("tanh_add", tanh_add, "isa"_a, "a"_a, "b"_a);
    m.def("sum_exp", sum_exp, "isa"_a, "x"_a, "offset"_a);
    m.def("lstm_cell", lstm_cell, "isa"_a, "gates"_a, "cell"_a);
    m.def("depthwise_conv1d", depthwise_conv1d, "isa"_a, "x"_a, "w"_a, "bias"_a, "left"_a);
    m.def("conv2d", conv2d, "isa"_a, "x"_a, "w"_a, "bias"_a, "left"_a, "frames"_a, "bins"_a);
    m.def("attention", attention, "isa"_a, "type"_a, "q"_a, "k"_a, "v"_a, "p"_a, "p_first"_a,
          "bias_u"_a, "bias_v"_a, "key_begin"_a, "key_end"_a, "global_k"_a = std::nullopt,
          "global_v"_a = std::nullopt, "dropped"_a = 0);
    m.def("hypotheses", hypotheses, "model"_a, "parents"_a, "tokens"_a, "encoded"_a);
    m.def(
        "peak_products",
        [](const std::string& isa, const std::string& type, int threads) {
            const KernelTable& kernels = table_named(isa);
            const TensorType kind = type_named(type);
            py::gil_scoped_release release;
            return peak_products(kernels, kind, threads);
        },
        "isa"_a, "type"_a, "threads"_a, "Multiply-adds per second with weights of a type.");
    m.def(
        "peak_read",
        [](const std::string& isa, int threads) {
            const KernelTable& kernels = table_named(isa);
            py::gil_scoped_release release;
            return peak_read(kernels, threads);
        },
        "isa"_a, "threads"_a, "Bytes per second read from memory.");
}

}  // namespace parrotlet
