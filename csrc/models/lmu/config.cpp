#include "models/lmu/config.h"

#include "errors.h"

namespace parrotlet {

LmuEncoderConfig read_lmu_encoder(const MetadataReader& r) {
    LmuEncoderConfig e{
        .layers = r.integer("block_count", 1, 1024),
        .d_model = r.integer("embedding_length", 1, 1 << 16),
        .memory = r.integer("memory_length", 1, 1 << 16),
        .mel_bands = r.integer("features.mel_bands", 1, 4096),
        .heads = r.integer("attention.head_count", 0, 1024),
        .fft = r.choice("layer", "fft", "cell"),
    };
    if (e.heads > 0 && e.d_model % e.heads != 0)
        throw ModelFileError(r.file().path() + ": " + r.name("embedding_length") + " " +
                             std::to_string(e.d_model) + " does not divide among " +
                             std::to_string(e.heads) + " heads");
    return e;
}

}  // namespace parrotlet
