// The prediction network of a transducer: the tokens of a hypothesis so far become a vector.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "gguf/metadata.h"
#include "heads/predictor_state.h"
#include "nn/weights.h"

namespace parrotlet {

/// What a prediction network is made of.
enum class PredictorKind { lstm, stateless };

struct PredictorConfig {
    PredictorKind kind;
    int hidden;       ///< width of the output
    int layers;       ///< of an LSTM; 0 of a stateless network
    int context;      ///< tokens that a stateless network sees; 0 of an LSTM
    bool layer_norm;  ///< over the output of a stateless network
};

/// Throws ModelFileError for absent or impossible sizes, UnsupportedModelError for another kind.
PredictorConfig read_predictor(const MetadataReader& reader);

/// Takes several hypotheses at once, a row each. What a row gets does not depend on the others.
class Predictor {
  public:
    virtual ~Predictor() = default;

    virtual size_t bytes() const = 0;  ///< of the weights, packed

    /// The part of `rows` states that is the network's, before any token.
    virtual PredictorState state(int rows, int joint_hidden) const = 0;

    /// Advances every row of the state by a token, in [0, vocab_size]. Returns the network's
    /// output [rows, hidden], which lies in the state or in the context's arena.
    virtual const float* advance(Context& context, std::span<const int> tokens,
                                 PredictorState& state) const = 0;
};

/// Reads the network in the scope `prediction`, whose embeddings have a row for the blank, too.
std::unique_ptr<Predictor> load_predictor(const Weights& prediction, const PredictorConfig& config,
                                          int vocab_size);

}  // namespace parrotlet
