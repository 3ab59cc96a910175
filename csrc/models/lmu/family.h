// Models of the LMU family: an encoder of Legendre Memory Units and a CTC head.
#pragma once

#include "models/acoustic_model.h"

namespace parrotlet {

/// The value of general.architecture.
constexpr const char* kLmu = "lmu";

ModelParts load_lmu(const GgufFile& file, ThreadPool& pool);

}  // namespace parrotlet
