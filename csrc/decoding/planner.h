// What memory recognition takes, counted by running a model without computing (nn/counting.h).
#pragma once

#include "decoding/search.h"
#include "models/acoustic_model.h"
#include "nn/counting.h"

namespace parrotlet {

/// Bytes of scratch memory, which is kept from call to call.
struct ScratchBytes {
    size_t call;    ///< of a call
    size_t thread;  ///< of each thread that takes tasks, the calling one included
};

/// Counts what calls of a model's parts take, one after the other, each beginning with the scratch
/// memory that those before it have left. The parts may have been read from a description
/// (GgufFile) and have no weights.
class Planner {
  public:
    /// As if `threads` were computing with `kernels`. The parts outlive the planner.
    Planner(const ModelParts& parts, const KernelTable& kernels, int threads);

    /// Of everything that is read from the file and stays.
    size_t weight_bytes() const { return parts_.bytes(); }

    /// Counts such searches from now on. Without it they are greedy, and over the transducer, or
    /// CTC where there is none. Returns what a search holds. Throws what make_search throws.
    size_t search_with(const Head& head, const SearchOptions& options);

    /// What a recording becomes, and what the encoder keeps for the next one.
    struct Recording {
        int feature_frames, encoder_frames;
        size_t kept_bytes;
    };

    /// A recording of `samples` in one pass: features, encoder, the search over a head.
    Recording recording(size_t samples, AttentionContext attention);

    /// Streams that have been running for long, and of which each takes `frames` frames of features
    /// at once, all together.
    void streams(int frames, AttentionContext attention, int count);

    /// What a stream holds.
    StreamBytes stream_bytes(AttentionContext attention);

    /// With huge pages where the system has these; see Arena::resident.
    ScratchBytes scratch(bool huge_pages) const {
        return {counting_.arena().resident(huge_pages),
                counting_.task_arena().resident(huge_pages)};
    }

  private:
    /// What comes after the encoder of `count` recordings: the prompts, and the searches.
    void search(Context& context, int frames, int count) const;

    const ModelParts& parts_;
    const Head* head_;  ///< null if there is none
    SearchOptions options_;
    Counting counting_;
};

}  // namespace parrotlet
