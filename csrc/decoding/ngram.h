// N-gram language models over tokens, read from ARPA text.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decoding/backoff_graph.h"

namespace parrotlet {

/// A back-off language model; scores are natural logarithms.
class NgramModel final : public BackoffGraph {
  public:
    /// `final_scores` has that of each state.
    NgramModel(Tables tables, std::vector<float> final_scores, int order)
        : BackoffGraph(std::move(tables)), final_scores_(std::move(final_scores)), order_(order) {}

    int order() const { return order_; }
    float final_score(ScorerState state) const override { return final_scores_[state]; }
    size_t bytes() const override {
        return BackoffGraph::bytes() + final_scores_.size() * sizeof(float);
    }

    /// Of a model of so many states and arcs, nearly; see BackoffGraph::bytes.
    static size_t bytes(uint64_t states, uint64_t arcs) {
        return BackoffGraph::bytes(states, arcs) + states * sizeof(float);
    }

  private:
    std::vector<float> final_scores_;
    int order_;
};

/// Reads an ARPA file piece by piece: `feed` its bytes, then `finish`.
///
/// Token i is written as the character with the code i + kTokenOffset. Tokens that have no unigram
/// share the probability of <unk>. Everything that contradicts itself or the vocabulary is a
/// LanguageModelError that names the line: memory grows only with what is really there.
///
/// Source: NeMo `ngram_lm_batched.SuffixTreeStorage`.
class ArpaReader {
  public:
    static constexpr int kTokenOffset = 100;  ///< NeMo's DEFAULT_TOKEN_OFFSET
    static constexpr int kMaxOrder = 16;

    /// `name` is what errors call the file.
    ArpaReader(std::string name, int vocab_size);

    /// Throws std::logic_error after `finish` and after an error.
    void feed(std::string_view bytes);
    std::shared_ptr<NgramModel> finish();

    /// How much has been read, and how much the header promises.
    uint64_t ngrams_read() const { return read_; }
    uint64_t ngrams_promised() const { return promised_; }

    /// N-grams of each order that the header promises, from its counts that have been read.
    const std::vector<uint64_t>& counts() const { return counts_; }
    /// Bytes of the model that the header promises, nearly: n-grams of </s> take no memory, and
    /// tokens without a unigram take some.
    size_t model_bytes() const;

  private:
    enum class Section { start, counts, between, ngrams, end };

    /// Lets no call follow one that fails.
    void begin_call();
    [[noreturn]] void fail(const std::string& what) const;
    void read_line(std::string_view line);
    void read_count(std::string_view line);
    void begin_section(std::string_view line);
    void read_ngram(std::string_view line);
    void end_section();
    void end_unigrams();
    void sort_arcs(size_t first);
    void end_ngrams();
    void resolve_ends();

    float number(std::string_view text, const char* what) const;
    int parse_symbols(std::string_view text, uint32_t* symbols) const;
    uint32_t symbol(std::string_view text) const;
    uint32_t token_of(std::string_view text) const;
    void add_unigram(uint32_t symbol, float score, float backoff);
    void add_ngram(std::span<const uint32_t> symbols, std::string_view text, float score,
                   float backoff);
    uint64_t promised_states() const;
    void reserve_promised();
    uint32_t add_state(uint32_t backoff_to, float backoff);
    uint32_t find_state(std::span<const uint32_t> symbols) const;
    const BackoffGraph::Arc* arc_of(uint32_t state, uint32_t token) const;

    std::string name_;
    uint32_t vocab_size_;
    bool usable_ = true;   ///< false after an error and after the end
    std::string pending_;  ///< the beginning of a line
    uint64_t line_ = 0;
    uint64_t empty_lines_ = 0;
    Section section_ = Section::start;
    std::vector<uint64_t> counts_;  ///< of each order, as the header has them
    uint64_t read_ = 0, promised_ = 0;
    int order_ = 0;            ///< that is being read
    uint64_t in_section_ = 0;  ///< n-grams of it
    bool sorted_ = true;       ///< whether these are in order so far
    bool has_begin_ = false;
    float unknown_ = std::numeric_limits<float>::quiet_NaN();
    std::vector<uint32_t> parents_;    ///< states of the arcs that are being read
    std::vector<float> backoffs_;      ///< after these arcs; none of the longest n-grams
    BackoffGraph::Tables tables_;      ///< an arc leads to what it backs off to until all are read
    std::vector<float> final_scores_;  ///< of each state; NaN until it is known
    uint32_t first_state_ = 0;         ///< of those whose arcs are being read
};

}  // namespace parrotlet
