// The heads that a model file names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gguf/metadata.h"
#include "heads/head.h"
#include "nn/weights.h"

namespace parrotlet {

/// A head whose metadata has been read and checked; `load` reads its weights.
struct HeadLoader {
    std::string name;
    std::function<std::unique_ptr<Head>(const Weights& weights, int d_model)> load;
};

/// Loaders of the heads that the key "heads" lists: "ctc", "rnnt" and "tdt". Throws
/// UnsupportedModelError for others, ModelFileError for none, for two of a kind, and for absent or
/// impossible sizes.
std::vector<HeadLoader> head_loaders(const MetadataReader& reader);

/// Reads the weights of all heads.
Heads load_heads(const std::vector<HeadLoader>& loaders, const Weights& weights, int d_model);

}  // namespace parrotlet
