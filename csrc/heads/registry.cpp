#include "heads/registry.h"

#include <algorithm>
#include <iterator>

#include "errors.h"
#include "heads/ctc.h"
#include "heads/transducer.h"

namespace parrotlet {

namespace {

using Load = decltype(HeadLoader::load);

constexpr int kLongestDuration = (1 << 15) - 1;  // encoder frames; published models have at most 8

Load ctc_loader(const MetadataReader& reader) {
    const int vocab_size = reader.integer("vocab_size");
    return [=](const Weights& weights, int d_model) {
        return std::make_unique<CtcHead>(weights, "ctc_decoder.decoder_layers.0", d_model,
                                         vocab_size);
    };
}

Load transducer_loader(const MetadataReader& reader, std::vector<int> durations) {
    const TransducerConfig config = read_transducer(reader, std::move(durations));
    return [=](const Weights& weights, int d_model) {
        return std::make_unique<Transducer>(weights, config, d_model);
    };
}

Load rnnt_loader(const MetadataReader& reader) { return transducer_loader(reader, {}); }

Load tdt_loader(const MetadataReader& reader) {
    return transducer_loader(reader, reader.integers("tdt.durations", 0, kLongestDuration));
}

/// Every head there is, by the name that files give it.
constexpr struct {
    const char* name;
    HeadKind kind;
    Load (*loader)(const MetadataReader& reader);
} kHeads[] = {
    {"ctc", CtcHead::kKind, ctc_loader},
    {"rnnt", Transducer::kKind, rnnt_loader},
    {"tdt", Transducer::kKind, tdt_loader},
};

}  // namespace

std::vector<HeadLoader> head_loaders(const MetadataReader& reader) {
    const std::string key = reader.name("heads"), path = reader.file().path();
    std::vector<HeadLoader> loaders;
    std::vector<HeadKind> kinds;
    for (const auto& name : reader.file().get<std::vector<std::string>>(key)) {
        const auto* known = std::find_if(std::begin(kHeads), std::end(kHeads),
                                         [&](const auto& head) { return name == head.name; });
        if (known == std::end(kHeads))
            throw UnsupportedModelError(path + ": decoder '" + name +
                                        "' is not supported (ctc, rnnt and tdt are)");
        if (std::find(kinds.begin(), kinds.end(), known->kind) != kinds.end())
            throw ModelFileError(path + ": " + key + " lists a second head of the kind of '" +
                                 name + "'; convert the checkpoint again");
        kinds.push_back(known->kind);
        loaders.push_back({name, known->loader(reader)});
    }
    if (loaders.empty()) throw ModelFileError(path + ": the model has no decoder");
    return loaders;
}

Heads load_heads(const std::vector<HeadLoader>& loaders, const Weights& weights, int d_model) {
    Heads heads;
    for (const HeadLoader& loader : loaders) heads.add(loader.name, loader.load(weights, d_model));
    return heads;
}

}  // namespace parrotlet
