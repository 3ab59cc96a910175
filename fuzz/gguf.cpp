// Any bytes as a model file: read everything the reader gives, and load it as a model.

#include "gguf/reader.h"

#include <vector>

#include "errors.h"
#include "gguf_bytes.h"
#include "models/acoustic_model.h"
#include "nn/weights.h"

namespace {

using namespace parrotlet;

/// Touches every byte that the file's tensors have.
void decode_all(const GgufFile& file) {
    for (const TensorInfo& info : file.tensors()) {
        std::vector<float> values(info.row_length() * info.rows());
        decode_tensor(file, info, values.data());
    }
}

template <typename T>
void get(const GgufFile& file, const std::string& key) {
    try {
        file.get<T>(key);
    } catch (const ModelFileError&) {
    }
}

void get_all(const GgufFile& file) {
    for (const auto& [key, value] : file.metadata()) {
        get<uint64_t>(file, key);
        get<int64_t>(file, key);
        get<double>(file, key);
        get<bool>(file, key);
        get<std::string>(file, key);
        get<std::vector<int64_t>>(file, key);
        get<std::vector<std::string>>(file, key);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const fuzz::MemoryFile bytes({data, size});
    try {
        const GgufFile file(bytes.path());
        decode_all(file);
        get_all(file);
        load_model(bytes.path(), 1);
    } catch (const ModelFileError&) {
    } catch (const UnsupportedModelError&) {
    }
    return 0;
}
