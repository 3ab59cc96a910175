// streams_test MODEL.gguf: streams of one model that run together while others run by themselves,
// come and go, in several threads at once. Each must have to the bit what it has alone. Prints what
// fails, and exits with 1; `.ci/sanitizers` runs it under ThreadSanitizer, which sees the races.

#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <numbers>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "decoding/registry.h"
#include "models/acoustic_stream.h"

namespace {

using parrotlet::AcousticModel;
using parrotlet::AcousticStream;
using parrotlet::Context;
using parrotlet::Emission;
using parrotlet::Head;
using parrotlet::Search;
using parrotlet::SearchFrames;

using Model = std::shared_ptr<const AcousticModel>;
using Samples = std::vector<float>;

constexpr int kThreads = 3, kStreams = 6, kSteps = 12, kLeft = 70;
constexpr int kRightContexts[] = {0, 1, 6};
std::atomic<int> failures = 0;

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "failed: %s\n", what);
    failures++;
}

/// What a stream has given: the encoder's frames, and its search's tokens.
struct Given {
    std::vector<float> encoded;
    std::vector<std::tuple<int, int64_t, double>> tokens;

    bool operator==(const Given&) const = default;
};

/// A stream with its search; its contexts, head and samples are drawn from its number.
class Live {
  public:
    Live(const Model& model, unsigned number)
        : model_(model),
          random_(number),
          stream_(model, {.left = kLeft, .right = kRightContexts[number % 3]}) {
        const auto* head = model->heads().find(number % 2 == 0 ? "rnnt" : "ctc");
        search_ = model->executor().run(
            [&](Context& context) { return parrotlet::make_search(context, *head, {}); });
    }

    /// The next piece of noise and tones.
    Samples samples() {
        Samples samples(std::uniform_int_distribution<size_t>(0, 3000)(random_));
        std::normal_distribution<float> noise(0.0f, 0.05f);
        const double hertz = std::uniform_real_distribution<double>(100, 2000)(random_);
        for (size_t i = 0; i < samples.size(); i++)
            samples[i] =
                noise(random_) +
                0.1f * static_cast<float>(std::sin(2 * std::numbers::pi * hertz * i / 16000.0));
        return samples;
    }

    /// Feeds each of them its next samples, together, but for the first, if that one ends.
    static void step(std::span<const std::unique_ptr<Live>> streams, bool first_ends) {
        std::vector<AcousticStream*> acoustic;
        std::vector<Samples> samples;
        std::vector<std::vector<float>> encoded(streams.size());
        for (const auto& live : streams) {
            acoustic.push_back(&live->stream_);
            samples.push_back(live->samples());
        }
        std::vector<AcousticStream::Next> next(samples.begin(), samples.end());
        if (first_ends) next[0].reset();
        AcousticStream::feed(acoustic, next, encoded);
        const AcousticModel& model = *streams[0]->model_;
        const size_t width = model.encoder().d_model();
        std::vector<SearchFrames> frames;
        for (size_t i = 0; i < streams.size(); i++)
            frames.push_back({streams[i]->search_.get(), encoded[i].data(),
                              static_cast<int>(encoded[i].size() / width)});
        model.executor().run([&](Context& context) { Search::feed(context, frames); });
        for (size_t i = 0; i < streams.size(); i++) streams[i]->keep(encoded[i]);
    }

    /// What a stream that has ended gave in all.
    Given finish() {
        model_->executor().run([&](Context& context) { search_->finish(context); });
        keep({});
        return std::move(given_);
    }

  private:
    void keep(std::span<const float> encoded) {
        given_.encoded.insert(given_.encoded.end(), encoded.begin(), encoded.end());
        for (const Emission& token : search_->settled())
            given_.tokens.emplace_back(token.token, token.frame, token.confidence);
    }

    Model model_;
    std::mt19937 random_;
    AcousticStream stream_;
    std::unique_ptr<Search> search_;
    Given given_;
};

/// Runs streams first .. first + count - 1 for kSteps steps each. One joins at every step, and one
/// leaves at every step in the end.
std::vector<Given> run(const Model& model, unsigned first, unsigned count) {
    std::vector<std::unique_ptr<Live>> running;
    std::vector<Given> given;
    for (unsigned step = 0; step < count + kSteps; step++) {
        if (step < count) running.push_back(std::make_unique<Live>(model, first + step));
        Live::step(running, step >= kSteps);
        if (step >= kSteps) {
            given.push_back(running.front()->finish());
            running.erase(running.begin());
        }
    }
    return given;
}

/// The same, each stream by itself.
std::vector<Given> run_alone(const Model& model, unsigned first, unsigned count) {
    std::vector<Given> given;
    for (unsigned i = first; i < first + count; i++)
        given.push_back(std::move(run(model, i, 1)[0]));
    return given;
}

/// Opens streams, feeds them once and drops them, and reads the times of stages, until `ended`.
void come_and_go(const Model& model, const std::atomic<bool>& ended) {
    for (unsigned i = 0; !ended; i++) {
        model->executor().start_timing();
        std::vector<std::unique_ptr<Live>> one;
        one.push_back(std::make_unique<Live>(model, i));
        Live::step(one, i % 2 == 0);
        model->executor().stop_timing();
    }
}

void groups_beside_single_streams(const Model& model) {
    const std::vector<Given> expected = run_alone(model, 0, 3 * kStreams);
    const auto expected_of = [&](size_t group) {
        return std::vector<Given>(expected.begin() + group * kStreams,
                                  expected.begin() + (group + 1) * kStreams);
    };
    for (const Given& given : expected) check(!given.encoded.empty(), "frames came");
    std::atomic<bool> ended = false;
    std::thread guests([&] { come_and_go(model, ended); });
    std::vector<std::thread> threads;
    for (size_t group = 0; group < 3; group++)
        threads.emplace_back([&, group] {
            const auto first = static_cast<unsigned>(group * kStreams);
            const auto given =
                group < 2 ? run(model, first, kStreams) : run_alone(model, first, kStreams);
            check(given == expected_of(group),
                  group < 2 ? "streams of a group" : "streams by themselves");
        });
    for (std::thread& thread : threads) thread.join();
    ended = true;
    guests.join();
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: %s MODEL.gguf\n", arguments[0]);
        return 2;
    }
    try {
        groups_beside_single_streams(parrotlet::load_model(arguments[1], kThreads));
    } catch (const std::exception& error) {
        check(false, error.what());
    }
    std::puts(failures == 0 ? "streams hold" : "streams do not hold");
    return failures == 0 ? 0 : 1;
}
