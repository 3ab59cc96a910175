#include "models/conformer/reduction.h"

#include <algorithm>
#include <vector>

namespace parrotlet {

SubsamplingReduction::SubsamplingReduction(const Weights& weights, const ReductionConfig& config,
                                           int d_model)
    : config_(config), d_model_(d_model) {
    if (config.pooling) return;
    const SubsamplingConfig striding{
        .depthwise = false, .factor = config.factor, .channels = d_model, .causal = false};
    convolutions_.emplace(weights / "reduction_enc", striding, d_model, d_model);
}

void SubsamplingReduction::pool(const Context& context, int frames, const float* x,
                                float* y) const {
    const size_t d = d_model_;
    context.pool.parallel_for(output_frames(frames), [&](size_t t) {
        if (context.counts()) return;
        const float* first = x + t * config_.factor * d;
        float* out = y + t * d;
        std::copy_n(first, d, out);
        for (int i = 1; i < config_.factor; i++)
            for (size_t c = 0; c < d; c++) out[c] = std::max(out[c], first[i * d + c]);
    });
}

void SubsamplingReduction::operator()(Context& context, std::span<const int> frames, const float* x,
                                      float* y) const {
    const StageTimer timer(context.times, Stage::subsampling);
    std::vector<SubsampledRows> rows;
    for (const int count : frames) {
        const int reduced = output_frames(count);
        if (convolutions_) {
            rows.push_back({.features = x, .frames = count, .begin = 0, .end = reduced});
        } else {
            pool(context, count, x, y);
            y += static_cast<size_t>(reduced) * d_model_;
        }
        x += static_cast<size_t>(count) * d_model_;
    }
    if (convolutions_) (*convolutions_)(context, rows, y);
}

}  // namespace parrotlet
