#include "audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace parrotlet {

namespace {

/// Windowed DFT basis, in double precision until the last rounding.
Buffer<float> dft_matrix(const Buffer<float>& window, int n_fft, int bins) {
    const size_t length = window.size();
    Buffer<float> matrix(2 * bins * length);
    for (int k = 0; k < bins; k++)
        for (size_t i = 0; i < length; i++) {
            // The phase of the frame's start does not matter to power; k * i is reduced exactly.
            const auto step = static_cast<double>(k * i % n_fft);
            const double angle = 2.0 * std::numbers::pi * step / n_fft;
            matrix[k * length + i] = static_cast<float>(window[i] * std::cos(angle));
            matrix[(bins + k) * length + i] = static_cast<float>(window[i] * std::sin(angle));
        }
    return matrix;
}

}  // namespace

LogMel::LogMel(const Weights& weights, const FeatureConfig& config)
    : config_(config), bins_(config.n_fft / 2 + 1) {
    const Weights scope = weights / "preprocessor" / "featurizer";
    const auto window = scope.values("window", {size_t(config.window_length)});
    const Buffer<float> dft = dft_matrix(window, config.n_fft, bins_);
    dft_ = PackedMatrix(dft.data(), 2 * bins_, config.window_length);
    const auto fb = scope.values("fb", {size_t(config.mel_bands), size_t(bins_)});
    fb_ = PackedMatrix(fb.data(), config.mel_bands, bins_);
}

/// power[count, bins] of spectrum[count, 2 bins].
void LogMel::power(const float* spectrum, int count, float* power) const {
    for (int t = 0; t < count; t++) {
        const float* re = spectrum + static_cast<size_t>(t) * 2 * bins_;
        const float* im = re + bins_;
        float* p = power + static_cast<size_t>(t) * bins_;
        for (int k = 0; k < bins_; k++) p[k] = re[k] * re[k] + im[k] * im[k];
        if (config_.mag_power != 2.0f)
            for (int k = 0; k < bins_; k++) p[k] = std::pow(p[k], config_.mag_power / 2.0f);
    }
}

int LogMel::lead() const {
    // A frame covers n_fft samples around its centre; torch.stft puts the window in their middle,
    // and only the samples under it matter.
    return config_.n_fft / 2 - (config_.n_fft - config_.window_length) / 2;
}

void LogMel::pre_emphasize(std::span<const float> samples, float previous, float* out) const {
    for (const float sample : samples) {
        *out++ = sample - config_.preemphasis * previous;
        previous = sample;
    }
}

void LogMel::transform(Context& context, const float* x, int count, float* features) const {
    const size_t tasks = (count + kMelTaskFrames - 1) / kMelTaskFrames;
    context.pool.parallel_for(tasks, [&](size_t task) {
        const int first = static_cast<int>(task) * kMelTaskFrames;
        const int n = std::min(kMelTaskFrames, count - first);
        Arena& arena = context.task_arena();
        Arena::Scope scope(arena);
        const size_t width = 2 * static_cast<size_t>(bins_), mels = config_.mel_bands;
        auto* spectrum = arena.allocate<float>(n * width);
        dft_.multiply_serial(context.kernels, arena,
                             x + static_cast<size_t>(first) * config_.hop_length,
                             config_.hop_length, n, spectrum, width, {});
        auto* powers = arena.allocate<float>(static_cast<size_t>(n) * bins_);
        if (!context.counts()) power(spectrum, n, powers);
        float* out = features + first * mels;
        fb_.multiply_serial(context.kernels, arena, powers, bins_, n, out, mels, {});
        if (context.counts()) return;
        for (size_t i = 0; i < n * mels; i++) out[i] = std::log(out[i] + config_.log_zero_guard);
    });
}

void LogMel::operator()(Context& context, std::span<const float> samples, float* features) const {
    const StageTimer timer(context.times, Stage::mel);
    const int total = frames(samples.size());
    if (total == 0) return;
    const auto mels = static_cast<size_t>(config_.mel_bands);
    for (int first = 0; first < total; first += kMelBlockFrames) {
        transform_block(context, samples, first, std::min(kMelBlockFrames, total - first),
                        features + first * mels);
        if (context.counts()) return;  // no later block is larger
    }
    if (config_.normalize_per_feature)
        Normalization(features, total, config_.mel_bands).apply(features, total);
}

/// Features, not normalised, of frames first .. first + count - 1 of a recording.
void LogMel::transform_block(Context& context, std::span<const float> samples, int first, int count,
                             float* features) const {
    const size_t hop = config_.hop_length, start = first * hop, before = lead();
    const size_t size = (count - 1) * hop + config_.window_length;
    Arena::Scope scope(context.arena);
    auto* x = context.arena.allocate<float>(size);
    if (!context.counts()) {
        // x begins `before` samples before the first frame's centre; around the recording are
        // zeros.
        const size_t begin = start - std::min(start, before);
        const size_t zeros = before - (start - begin);
        const size_t end = std::min(samples.size(), begin + size - zeros);
        std::fill_n(x, zeros, 0.0f);
        pre_emphasize(samples.subspan(begin, end - begin), begin > 0 ? samples[begin - 1] : 0.0f,
                      x + zeros);
        std::fill(x + zeros + (end - begin), x + size, 0.0f);
    }
    transform(context, x, count, features);
}

LogMelStream::LogMelStream(const LogMel& log_mel) : log_mel_(log_mel), pending_(log_mel.lead()) {}

void LogMelStream::emit(Context& context, int count, std::vector<float>& features) {
    if (count <= 0) return;
    const FeatureConfig& config = log_mel_.config_;
    const size_t before = features.size();
    features.resize(before + static_cast<size_t>(count) * config.mel_bands);
    log_mel_.transform(context, pending_.data(), count, features.data() + before);
    pending_.erase(
        pending_.begin(),
        pending_.begin() + std::min<ptrdiff_t>(static_cast<ptrdiff_t>(count) * config.hop_length,
                                               pending_.size()));
    frames_ += count;
}

void LogMelStream::feed(Context& context, std::span<const float> samples,
                        std::vector<float>& features) {
    if (samples.empty()) return;
    const StageTimer timer(context.times, Stage::mel);
    const size_t before = pending_.size();
    pending_.resize(before + samples.size());
    log_mel_.pre_emphasize(samples, previous_, pending_.data() + before);
    previous_ = samples.back();
    samples_ += samples.size();
    const auto window = static_cast<size_t>(log_mel_.config_.window_length);
    if (pending_.size() >= window)
        emit(context,
             static_cast<int>((pending_.size() - window) / log_mel_.config_.hop_length + 1),
             features);
}

void LogMelStream::finish(Context& context, std::vector<float>& features) {
    const FeatureConfig& config = log_mel_.config_;
    const auto count = static_cast<int>(samples_ / config.hop_length - frames_);
    if (count <= 0) return;
    const StageTimer timer(context.times, Stage::mel);
    const size_t needed = static_cast<size_t>(count - 1) * config.hop_length + config.window_length;
    if (pending_.size() < needed) pending_.resize(needed, 0.0f);
    emit(context, count, features);
}

}  // namespace parrotlet
