// self_test MODEL RECORDING HEAD LEFT RIGHT TOKEN...: whether the runtime works where there is no
// Python.
//
// Every kernel table that this CPU can run is compared with the scalar one. Then the model
// recognises the recording, 16-bit mono WAV at the model's rate, with each table and with one and
// two threads, and the attention context (LEFT, RIGHT), and has to find these tokens. Prints what
// fails, and exits with 1.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "decoding/recognise.h"
#include "kernels/dispatch.h"
#include "nn/attention.h"
#include "nn/packed_matrix.h"
#include "quant/blocks.h"

namespace {

using namespace parrotlet;

/// What an operation gives, and how far a table may be from the scalar one (tests/kernels).
struct Result {
    std::string operation;
    float tolerance;
    std::vector<float> values;
};

/// Uniform from -1 to 1, the same at every call with the same seed on every machine.
std::vector<float> operand(size_t n, unsigned seed) {
    std::minstd_rand random(seed);
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(random() % 20001) / 10000.0f - 1.0f;
    return values;
}

Result product(const KernelTable& kernels, TensorType type, Activation activation) {
    constexpr int kRows = 29, kColumns = 80, kDepth = 512;
    const std::vector<float> x = operand(kRows * kDepth, 1), bias = operand(kColumns, 3);
    std::vector<float> w = operand(kColumns * kDepth, 2);
    for (float& value : w) value /= std::sqrt(static_cast<float>(kDepth));
    const size_t stride = row_bytes(type, kDepth);
    std::vector<std::byte> encoded(kColumns * stride);
    for (size_t row = 0; row < kColumns; row++)
        encode_row(type, {w.data() + row * kDepth, kDepth}, encoded.data() + row * stride);
    const MatrixRows rows{.type = type,
                          .rows = kColumns,
                          .length = kDepth,
                          .read = [&](size_t first, size_t count, std::byte* out) {
                              std::copy_n(encoded.data() + first * stride, count * stride, out);
                          }};
    const bool gated = activation == Activation::glu;
    const PackedMatrix matrix({&rows, 1}, gated ? Arrangement::glu : Arrangement::stacked);
    const int columns = gated ? kColumns / 2 : kColumns;
    ThreadPool pool(2);
    Arena arena;
    Context context{kernels, pool, arena};
    std::vector<float> y(static_cast<size_t>(kRows) * columns);
    matrix.multiply(context, x.data(), kDepth, kRows, y.data(), columns,
                    {.bias = bias.data(), .activation = activation});
    return {"product of " + std::string(block_layout(type).name), 1e-5f, std::move(y)};
}

Result attention(const std::string& name, float tolerance, const AttentionKernel& kernel) {
    constexpr int kFrames = 101, kWidth = 44, kFirst = kFrames - 1 + kPositionSlack;
    constexpr int kPositions = 2 * kFirst + 1;
    const auto q = operand(kFrames * kWidth, 4), k = operand(kFrames * kWidth, 5),
               v = operand(kFrames * kWidth, 6), p = operand(kPositions * kWidth, 7),
               u = operand(kWidth, 8), w = operand(kWidth, 9);
    std::vector<int> begin(kFrames), end(kFrames);
    for (int i = 0; i < kFrames; i++) {
        begin[i] = std::max(0, i - 30);
        end[i] = std::min(kFrames, i + 14);
    }
    Arena arena;
    auto* keys = arena.allocate<std::byte>(kernel.key_bytes(kFrames, kWidth));
    auto* values = arena.allocate<std::byte>(kernel.value_bytes(kFrames, kWidth));
    auto* positions = arena.allocate<std::byte>(kernel.key_bytes(kPositions, kWidth));
    auto* scratch = arena.allocate<std::byte>(kernel.scratch_bytes(kWidth, kFrames));
    kernel.put_keys(k.data(), kWidth, kFrames, kWidth, 0, keys);
    kernel.put_values(v.data(), kWidth, kFrames, kWidth, 0, kFrames, values);
    kernel.put_keys(p.data(), kWidth, kPositions, kWidth, 0, positions);
    std::vector<float> y(kFrames * kWidth);
    for (int first = 0; first < kFrames; first += kQueryTile)
        kernel.attend({.q = q.data() + first * kWidth,
                       .q_stride = kWidth,
                       .bias_u = u.data(),
                       .bias_v = w.data(),
                       .k = keys,
                       .v = values,
                       .p = positions,
                       .y = y.data() + first * kWidth,
                       .y_stride = kWidth,
                       .d = kWidth,
                       .keys = kFrames,
                       .queries = std::min(kQueryTile, kFrames - first),
                       .query_index = first,
                       .p_first = kFirst,
                       .key_begin = begin.data() + first,
                       .key_end = end.data() + first,
                       .scratch = scratch});
    return {"attention " + name, tolerance, std::move(y)};
}

Result convolution_1d(const KernelTable& kernels) {
    constexpr int kFrames = 50, kChannels = 176, kKernel = 31;
    const auto x = operand(kFrames * kChannels, 10), w = operand(kKernel * kChannels, 11),
               bias = operand(kChannels, 12);
    std::vector<float> y(x.size());
    kernels.depthwise_conv1d({.x = x.data(),
                              .w = w.data(),
                              .bias = bias.data(),
                              .y = y.data(),
                              .x_frames = kFrames,
                              .frames = kFrames,
                              .channels = kChannels,
                              .kernel = kKernel,
                              .left = kKernel / 2,
                              .channel_begin = 0,
                              .channel_end = kChannels});
    return {"depthwise_conv1d", 2e-5f, std::move(y)};
}

Result convolution_2d(const char* name, Conv2dKernel kernel, bool depthwise) {
    constexpr int kFrames = 10, kBins = 17, kChannels = 44;
    const auto x = operand(kFrames * kBins * (depthwise ? kChannels : 1), 13),
               w = operand(9 * kChannels, 14), bias = operand(kChannels, 15);
    const int frames = (kFrames + 1) / 2, bins = (kBins + 1) / 2;
    std::vector<float> y(static_cast<size_t>(frames) * bins * kChannels);
    kernel({.x = x.data(),
            .w = w.data(),
            .bias = bias.data(),
            .y = y.data(),
            .x_frames = kFrames,
            .frames = frames,
            .offset = 1,
            .in_bins = kBins,
            .out_bins = bins,
            .left = 1,
            .channels = kChannels});
    return {name, 2e-5f, std::move(y)};
}

std::vector<Result> rows(const KernelTable& kernels) {
    constexpr int kRows = 5, kWidth = 333;
    const auto a = operand(kRows * kWidth, 16), b = operand(kRows * kWidth, 17),
               gates = operand(4 * kWidth, 18);
    std::vector<Result> results;
    const auto add = [&](const char* name, float tolerance, auto compute) {
        std::vector<float> y(a.size());
        compute(y);
        results.push_back({name, tolerance, std::move(y)});
    };
    add("layer_norm", 4e-5f, [&](std::vector<float>& y) {
        kernels.layer_norm(a.data(), b.data(), gates.data(), 1e-5f, kRows, kWidth, y.data());
    });
    add("silu", 4e-7f, [&](std::vector<float>& y) { kernels.silu(a.data(), a.size(), y.data()); });
    add("relu_add", 0.0f, [&](std::vector<float>& y) {
        kernels.relu_add(a.data(), b.data(), kRows * kWidth, y.data());
    });
    add("tanh_add", 4e-7f, [&](std::vector<float>& y) {
        kernels.tanh_add(a.data(), b.data(), kRows * kWidth, y.data());
    });
    add("sum_exp", 2e-3f, [&](std::vector<float>& y) {
        y.assign(1, kernels.sum_exp(a.data(), kRows * kWidth, 1.0f));
    });
    add("lstm_cell", 1e-6f, [&](std::vector<float>& y) {
        y.assign(2 * kWidth, 0.25f);  // cells, then hidden values
        kernels.lstm_cell(gates.data(), kWidth, y.data(), y.data() + kWidth);
    });
    return results;
}

std::vector<Result> results_of(const KernelTable& kernels) {
    std::vector<Result> results = rows(kernels);
    for (const TensorType type : tensor_types())
        for (const auto activation : {Activation::none, Activation::silu, Activation::glu})
            results.push_back(product(kernels, type, activation));
    results.push_back(attention("f32", 1e-5f, kernels.attention_f32));
    results.push_back(attention("f16", 2e-3f, kernels.attention_f16));
    results.push_back(attention("q8", 6e-2f, kernels.attention_q8));
    results.push_back(convolution_1d(kernels));
    results.push_back(convolution_2d("conv2d_first", kernels.conv2d_first, false));
    results.push_back(convolution_2d("depthwise_conv2d", kernels.depthwise_conv2d, true));
    return results;
}

/// The largest difference; infinite where a value is not a number.
float distance(const std::vector<float>& a, const std::vector<float>& b) {
    float largest = 0.0f;
    for (size_t i = 0; i < a.size(); i++) {
        const float difference = std::fabs(a[i] - b[i]);
        if (!(difference <= largest)) largest = std::isnan(difference) ? INFINITY : difference;
    }
    return largest;
}

/// How many operations of a table are not what the scalar one computes.
int compare(const KernelTable& kernels, const std::vector<Result>& expected) {
    int wrong = 0;
    const std::vector<Result> results = results_of(kernels);
    for (size_t i = 0; i < results.size(); i++) {
        const float found = distance(results[i].values, expected[i].values);
        if (found <= expected[i].tolerance) continue;
        std::printf("%s: %s differs by %g\n", kernels.isa, expected[i].operation.c_str(), found);
        wrong++;
    }
    std::printf("%s: %zu operations compared with scalar\n", kernels.isa, results.size());
    return wrong;
}

/// Samples of a WAV file whose header is followed by nothing but 16-bit samples.
std::vector<float> read_recording(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const size_t data = bytes.find("data");
    if (data == std::string::npos) throw std::runtime_error(path + " is not a WAV file");
    std::vector<int16_t> values((bytes.size() - data - 8) / sizeof(int16_t));
    std::memcpy(values.data(), bytes.data() + data + 8, values.size() * sizeof(int16_t));
    std::vector<float> samples;
    for (const int16_t value : values) samples.push_back(static_cast<float>(value) / 32768.0f);
    return samples;
}

void choose_table(const char* isa) {
#if defined(_WIN32)
    ::_putenv_s("PARROTLET_ISA", isa);
#else
    ::setenv("PARROTLET_ISA", isa, 1);
#endif
}

/// What the command line asks for.
struct Question {
    std::string model;
    std::vector<float> samples;
    std::string head;
    AttentionContext attention;
    std::vector<int> tokens;  ///< that are to be found
};

bool finds(const Question& question, int threads) {
    const auto model = load_model(question.model, threads);
    const Head* head = model->heads().find(question.head);
    if (head == nullptr) throw std::runtime_error("the model has no head " + question.head);
    const Recognised found = recognise(*model, question.samples, {question.attention}, *head, {});
    std::vector<int> tokens;
    for (const Emission& emission : found.tokens) tokens.push_back(emission.token);
    std::printf("%s, threads %d:", model->executor().kernels().isa, threads);
    for (const int token : tokens) std::printf(" %d", token);
    const bool right = tokens == question.tokens;
    std::printf("%s\n", right ? "" : "  -- these are not the expected tokens");
    return right;
}

int run(const std::vector<std::string>& arguments) {
    Question question{.model = arguments[0],
                      .samples = read_recording(arguments[1]),
                      .head = arguments[2],
                      .attention = {std::stoi(arguments[3]), std::stoi(arguments[4])},
                      .tokens = {}};
    for (size_t i = 5; i < arguments.size(); i++)
        question.tokens.push_back(std::stoi(arguments[i]));
    const std::vector<const KernelTable*> tables = available_tables();
    const std::vector<Result> scalar = results_of(*tables.front());
    int wrong = 0;
    for (const KernelTable* table : tables)
        if (table != tables.front()) wrong += compare(*table, scalar);
    for (const KernelTable* table : tables) {
        choose_table(table->isa);
        for (const int threads : {1, 2}) wrong += !finds(question, threads);
    }
    return wrong;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 7) {
        std::fprintf(stderr, "usage: self_test MODEL RECORDING HEAD LEFT RIGHT TOKEN...\n");
        return 2;
    }
    try {
        const int wrong = run({argv + 1, argv + argc});
        std::printf(wrong == 0 ? "all as it should be\n" : "%d wrong\n", wrong);
        return wrong == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "self_test: %s\n", error.what());
        return 1;
    }
}
