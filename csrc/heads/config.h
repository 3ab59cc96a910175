// Sizes of the heads.
#pragma once

#include <string>

namespace parrotlet {

/// The heads a checkpoint has, and the sizes of what hangs off the encoder.
struct DecoderConfig {
    bool ctc, transducer;
    int vocab_size;   ///< without the blank, which comes last
    int n_durations;  ///< of a TDT joint; 0 for RNNT
    int predictor_hidden, predictor_layers, joint_hidden;
    std::string joint_activation;
};

}  // namespace parrotlet
