#include "models/acoustic_model.h"

#include "errors.h"
#include "models/conformer/model.h"
#include "models/lmu/model.h"

namespace parrotlet {

void AcousticModel::start_timing() const {
    times_.clear();
    timing_ = true;
}

const StageTimes& AcousticModel::stop_timing() const {
    timing_ = false;
    return times_;
}

void AcousticModel::feed(std::span<AcousticStream* const> streams,
                         std::span<const std::span<const float>> samples,
                         std::span<std::vector<float>> encoded) const {
    for (size_t i = 0; i < streams.size(); i++) streams[i]->feed(samples[i], encoded[i]);
}

std::shared_ptr<AcousticModel> load_model(const std::string& path, int threads) {
    GgufFile file(path);
    const auto architecture = file.get<std::string>("general.architecture");
    if (architecture == kConformer)
        return std::make_shared<ConformerModel>(std::move(file), threads);
    if (architecture == kLmu) return std::make_shared<LmuModel>(std::move(file), threads);
    throw UnsupportedModelError(path + ": architecture '" + architecture + "' is not supported (" +
                                kConformer + " and " + kLmu +
                                " are); models are made by 'parrotlet convert'");
}

}  // namespace parrotlet
