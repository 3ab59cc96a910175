#include "decoding/recognise.h"

#include <memory>
#include <utility>

#include "decoding/registry.h"

namespace parrotlet {

namespace {

/// encoded[frames, d_model] of a recording, with its prompt. Its features are gone before decoding
/// begins.
std::unique_ptr<float[]> encode(Context& context, const AcousticModel& model,
                                std::span<const float> samples, int frames,
                                const EncoderChoice& choice) {
    const Encoder& encoder = model.encoder();
    const size_t bands = model.frontend().mel_bands();
    OwnedFeatures recording{std::make_unique_for_overwrite<float[]>(frames * bands), frames};
    model.frontend()(context, samples, recording.features.get());
    const int count = encoder.output_frames(frames);
    auto encoded = std::make_unique_for_overwrite<float[]>(size_t(count) * encoder.d_model());
    encoder.encode(context, std::move(recording), choice.attention, encoded.get());
    const PromptedRows prompted{count, choice.prompt};
    model.parts().give_prompts(context, {&prompted, 1}, encoded.get());
    return encoded;
}

void append(std::span<const Emission> more, std::vector<Emission>& tokens) {
    tokens.insert(tokens.end(), more.begin(), more.end());
}

}  // namespace

Recognised recognise(const AcousticModel& model, std::span<const float> samples,
                     const EncoderChoice& choice, const Head& head, const SearchOptions& options) {
    const int frames = model.frontend().frames(samples.size());
    return model.executor().run([&](Context& context) {
        const auto encoded = encode(context, model, samples, frames, choice);
        const auto search = make_search(context, head, options);
        search->feed(context, encoded.get(), model.encoder().output_frames(frames));
        Recognised found;
        append(search->settled(), found.tokens);
        search->finish(context);
        for (const Alternative& rest : search->alternatives()) {
            found.alternatives.push_back({rest.score, found.tokens});
            append(rest.tokens, found.alternatives.back().tokens);
        }
        append(search->settled(), found.tokens);
        return found;
    });
}

}  // namespace parrotlet
