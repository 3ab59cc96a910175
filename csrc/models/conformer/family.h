// Models of the Conformer family: a Conformer encoder and the heads that the file names.
#pragma once

#include "models/acoustic_model.h"

namespace parrotlet {

/// The value of general.architecture.
constexpr const char* kConformer = "conformer";

ModelParts load_conformer(const GgufFile& file, ThreadPool& pool);

}  // namespace parrotlet
