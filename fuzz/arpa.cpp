// Any bytes as an ARPA file, in pieces of any size: a model that is read scores every token.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "decoding/ngram.h"
#include "errors.h"

namespace {

using namespace parrotlet;

constexpr int kVocabulary = 8;

void check(bool holds) {
    if (!holds) std::abort();
}

void use(const NgramModel& model) {
    std::vector<float> scores(kVocabulary);
    for (ScorerState state = 0; state < model.states(); state++) {
        model.scores(state, scores);
        check(std::isfinite(model.final_score(state)));
        for (int token = 0; token < kVocabulary; token++) {
            const auto step = model.step(state, token);
            check(std::isfinite(step.score) && step.score == scores[token]);
            check(step.to < model.states() && step.to == model.advance(state, token));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const size_t piece = data[0] + size_t{1};
    std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    ArpaReader reader("lm.arpa", kVocabulary);
    try {
        for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
            reader.feed(bytes.substr(0, piece));
        use(*reader.finish());
    } catch (const LanguageModelError&) {
    }
    return 0;
}
