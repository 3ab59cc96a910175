// The families of models, by the names that files give them.

#include <algorithm>
#include <iterator>

#include "errors.h"
#include "models/acoustic_model.h"
#include "models/conformer/family.h"
#include "models/lmu/family.h"

namespace parrotlet {

namespace {

/// Every family there is, by the value of general.architecture.
constexpr struct {
    const char* name;
    LoadParts load;
} kFamilies[] = {
    {kConformer, load_conformer},
    {kLmu, load_lmu},
};

std::string family_names() {
    std::string names;
    for (const auto& family : kFamilies)
        names += (names.empty() ? "" : " and ") + std::string(family.name);
    return names;
}

LoadParts family_of(const GgufFile& file) {
    const auto name = file.get<std::string>("general.architecture");
    const auto* family = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                      [&](const auto& known) { return name == known.name; });
    if (family == std::end(kFamilies))
        throw UnsupportedModelError(file.path() + ": architecture '" + name +
                                    "' is not supported (" + family_names() +
                                    " are); models are made by 'parrotlet convert'");
    return family->load;
}

}  // namespace

ModelParts load_parts(const GgufFile& file, ThreadPool& pool) {
    return family_of(file)(file, pool);
}

std::shared_ptr<AcousticModel> load_model(const std::string& path, int threads) {
    GgufFile file(path);
    const LoadParts load = family_of(file);
    return std::make_shared<AcousticModel>(std::move(file), load, threads);
}

}  // namespace parrotlet
