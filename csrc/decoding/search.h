// From encoder frames to tokens: what every search over a head has in common.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "decoding/beam/options.h"
#include "decoding/emission.h"
#include "decoding/token_scorer.h"
#include "nn/context.h"

namespace parrotlet {

/// May change the logits [labels, then durations] of a transducer's joint before they are looked
/// at. `frame` counts from the start of the recording, `emitted` the tokens that there are so far.
using LogitsProcessor =
    std::function<void(int64_t frame, int64_t emitted, std::span<float> logits)>;

struct SearchOptions {
    /// Tokens of a transducer per frame at most; 0 stands for no other bound than the one that
    /// there is in any case.
    int64_t max_symbols = 10;
    LogitsProcessor process = nullptr;
    /// What else has a say in the choice of tokens; null for nothing.
    std::shared_ptr<const TokenScorer> scorer;
    BeamOptions beam;
};

/// Tokens per frame at which "no limit" ends: a damaged model would otherwise never leave one.
constexpr int kSymbolsLimit = 100;

/// Tokens of a transducer per frame at most.
inline int64_t symbols_limit(const SearchOptions& options) {
    return options.max_symbols > 0 ? std::min<int64_t>(options.max_symbols, kSymbolsLimit)
                                   : kSymbolsLimit;
}

/// One of the texts that a beam search ended with. `score` is not normalised.
struct Alternative {
    double score;
    std::vector<Emission> tokens;
};

class Search;

/// The next frames [frames, width()] of a search's recording.
struct SearchFrames {
    Search* search;
    const float* encoded;
    int frames;
};

/// Frames of one recording in, in as many pieces as one likes, and tokens out. Pieces give the
/// tokens that one piece with all frames would give.
///
/// Calls must come one at a time.
class Search {
  public:
    virtual ~Search() = default;

    /// A search that stands where this one does. The two go on independently, but that both call
    /// the same LogitsProcessor.
    virtual std::unique_ptr<Search> copy() const = 0;

    /// Columns of the frames that feed() takes.
    virtual int width() const = 0;

    /// What a search holds from its start on, if that is more than a few kilobytes.
    virtual size_t bytes() const { return 0; }

    /// Takes the next encoded[frames, width()].
    void feed(Context& context, const float* encoded, int frames);

    /// Feeds searches, each its own frames, together where they can be: each gives to the bit what
    /// it gives alone. No search is there twice.
    static void feed(Context& context, std::span<const SearchFrames> searches);

    /// Nothing follows: all that is left is settled. The search takes no more frames.
    void finish(Context& context);

    /// The tokens that the last feed() or finish() settled. They will not change.
    std::span<const Emission> settled() const { return settled_; }

    /// The tokens after all settled ones as things stand, which a later call may change.
    std::span<const Emission> tentative() const { return tentative_; }

    /// Whether a later call may take tentative tokens back, as another hypothesis of a beam becomes
    /// the best. If not, there is one of them at most, of which only the confidence changes.
    virtual bool revises() const { return true; }

    /// After finish(), the texts of a beam search, the best first: each without the tokens that
    /// calls of feed() have settled. None of greedy searches.
    virtual std::span<const Alternative> alternatives() const { return {}; }

  protected:
    Search() = default;
    Search(const Search&) = default;

    /// Appends to settled_, and replaces tentative_; at most kSearchFrames at a time.
    virtual void take(Context& context, const float* encoded, int frames) = 0;

    /// What searches have in common that can take frames together; null where they cannot.
    virtual const void* companions() const { return nullptr; }

    /// take() of several searches with the companions of this one.
    virtual void take_together(Context& context, std::span<const SearchFrames> searches) const;

    /// Replaces settled_ by all that is left, and empties tentative_.
    virtual void end(Context& context);

    std::vector<Emission> settled_, tentative_;
};

/// The frames of all searches, one after the other, in the context's arena where there are several.
const float* joined_frames(Context& context, std::span<const SearchFrames> searches);

/// Frames that a search takes at a time, which bounds its scratch memory.
constexpr int kSearchFrames = 256;

}  // namespace parrotlet
