#include "decoding/planner.h"

#include <algorithm>

#include "decoding/registry.h"
#include "heads/ctc.h"
#include "heads/transducer.h"

namespace parrotlet {

Planner::Planner(const ModelParts& parts, const KernelTable& kernels, int threads)
    : parts_(parts), head_(parts.heads.of_kind<Transducer>()), counting_(kernels, threads) {
    if (head_ == nullptr) head_ = parts.heads.of_kind<CtcHead>();
}

size_t Planner::search_with(const Head& head, const SearchOptions& options) {
    head_ = &head;
    options_ = options;
    Context context = counting_.context();
    return make_search(context, head, options)->bytes();
}

Planner::Recording Planner::recording(size_t samples, AttentionContext attention) {
    Context context = counting_.context();
    const auto* values = no_memory<float>();
    const int frames = std::max(1, parts_.frontend.frames(samples));
    const int encoded = parts_.encoder->output_frames(frames);
    parts_.frontend(context, {values, samples}, no_memory<float>());
    const FeatureRows rows{values, frames};
    (*parts_.encoder)(context, {&rows, 1}, attention, no_memory<float>());
    search(context, encoded, 1);
    return {frames, encoded, parts_.encoder->kept_bytes(context, frames, attention)};
}

void Planner::streams(int frames, AttentionContext attention, int count) {
    Context context = counting_.context();
    LogMelStream frontend(parts_.frontend);
    const FeatureConfig& config = parts_.frontend.config();
    std::vector<float> features;
    frontend.feed(context, std::vector<float>(size_t(frames + 1) * config.hop_length), features);
    features.assign(static_cast<size_t>(frames) * config.mel_bands, 0.0f);
    std::vector<std::unique_ptr<EncoderStream>> streams;
    std::vector<std::vector<float>> encoded(count);
    std::vector<StreamFeatures> fed;
    for (std::vector<float>& output : encoded) {
        streams.push_back(parts_.encoder->stream(context, attention));
        fed.push_back({streams.back().get(), {features.data(), frames}, &output});
    }
    parts_.encoder->feed(context, fed);
    search(context, static_cast<int>(encoded[0].size()) / parts_.encoder->d_model(), count);
}

StreamBytes Planner::stream_bytes(AttentionContext attention) {
    return parts_.encoder->stream_bytes(counting_.context(), attention);
}

void Planner::search(Context& context, int frames, int count) const {
    const std::vector<PromptedRows> prompted(count, {frames, 0});
    parts_.give_prompts(context, prompted, no_memory<float>());
    if (head_ == nullptr) return;
    std::vector<std::unique_ptr<Search>> searches;
    std::vector<SearchFrames> fed;
    for (int i = 0; i < count; i++) {
        searches.push_back(make_search(context, *head_, options_));
        fed.push_back({searches.back().get(), no_memory<float>(), frames});
    }
    Search::feed(context, fed);
}

}  // namespace parrotlet
