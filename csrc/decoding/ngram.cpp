#include "decoding/ngram.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "errors.h"
#include "runtime/heap.h"

namespace parrotlet {

namespace {

constexpr size_t kMaxLine = 1024;          // an n-gram of kMaxOrder has a fifth of it
constexpr uint64_t kMaxEmptyLines = 1000;  // a compressed file may promise any number of them
constexpr uint64_t kMaxNgrams = BackoffGraph::kMostStates - 2;  // the root and that of <s>
constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();
constexpr uint64_t kPromise = 64;  // a header is believed when one part of so many has come
constexpr double kMaxLogarithm = 1e6;
constexpr double kNever = -99;  // ARPA's logarithm of a probability of 0

// Symbols that are no tokens; tokens are smaller numbers.
constexpr uint32_t kBegin = 0xFFFFFFFF, kEnd = 0xFFFFFFFE, kUnknown = 0xFFFFFFFD;

constexpr uint32_t kRoot = 0, kBeginState = 1;

float natural(double log10) { return static_cast<float>(log10 * std::numbers::ln10); }

std::string quoted(std::string_view text) {
    constexpr size_t kShown = 60;
    std::string shown{'\''};
    shown.append(text.substr(0, kShown)).append(text.size() > kShown ? "...'" : "'");
    return shown;
}

/// The code of the one UTF-8 character that `text` is, or -1.
int64_t only_character(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t lead = byte(0);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (text.size() != size || lead > 0xF4) return -1;
    int64_t code = size == 1 ? lead : lead & (0x7F >> size);
    for (size_t i = 1; i < size; i++) {
        if ((byte(i) & 0xC0) != 0x80) return -1;
        code = code << 6 | (byte(i) & 0x3F);
    }
    constexpr int64_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    return code < kSmallest[size] ? -1 : code;
}

/// What stands before the first `separator`; `rest` becomes what follows it.
std::string_view cut(std::string_view& rest, char separator) {
    const size_t at = rest.find(separator);
    const std::string_view first = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    return first;
}

/// The line before the n-grams of an order.
std::string section_line(int order) {
    std::string line = "\\";
    return line.append(std::to_string(order)).append("-grams:");
}

template <typename T>
bool parse(std::string_view text, T& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

ArpaReader::ArpaReader(std::string name, int vocab_size)
    : name_(std::move(name)), vocab_size_(static_cast<uint32_t>(vocab_size)) {
    tables_.vocab_size = vocab_size;
    tables_.start = kBeginState;
    for (uint32_t token = 0; token < vocab_size_; token++)
        tables_.arcs.push_back({token, kRoot, kNothing});
    add_state(kRoot, 0);
    add_state(kRoot, 0);
    tables_.states[kRoot].first_arc = 0;
}

void ArpaReader::fail(const std::string& what) const {
    throw LanguageModelError(name_ + ", line " + std::to_string(line_) + ": " + what);
}

// Lines --------------------------------------------------------------------------------------

void ArpaReader::begin_call() {
    if (!usable_) throw std::logic_error("the reader has finished or failed");
    usable_ = false;
}

void ArpaReader::feed(std::string_view bytes) {
    begin_call();
    while (!bytes.empty() && section_ != Section::end) {
        const size_t at = bytes.find('\n');
        if (at == std::string_view::npos || !pending_.empty()) {
            pending_ += bytes.substr(0, std::min(at, kMaxLine + 1));
            if (pending_.size() > kMaxLine) {
                line_++;
                fail("is longer than any line of an ARPA file; give a language model as text");
            }
            if (at == std::string_view::npos) break;
            read_line(pending_);
            pending_.clear();
        } else {
            read_line(bytes.substr(0, at));
        }
        bytes.remove_prefix(at + 1);
    }
    usable_ = true;
}

void ArpaReader::read_line(std::string_view line) {
    line_++;
    if (line.size() > kMaxLine)
        fail("is longer than any line of an ARPA file; give a language model as text");
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) {
        if (++empty_lines_ > kMaxEmptyLines) fail("there are too many empty lines");
        if (section_ == Section::ngrams) end_section();
        if (section_ == Section::counts) section_ = Section::between;
    } else if (section_ == Section::start) {
        if (line != "\\data\\")
            fail("is " + quoted(line) +
                 " where \\data\\ should be; give a language model in ARPA format");
        section_ = Section::counts;
    } else if (line.front() == '\\') {
        begin_section(line);
    } else if (section_ == Section::ngrams) {
        read_ngram(line);
    } else if (section_ == Section::counts) {
        read_count(line);
    } else {
        fail("is " + quoted(line) + " where a section should begin; the file is damaged");
    }
}

void ArpaReader::read_count(std::string_view line) {
    uint64_t order = 0, count = 0;
    std::string_view rest = line;
    const std::string_view keyword = cut(rest, ' ');
    const std::string_view number = cut(rest, '=');
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (keyword != "ngram" || !parse(number, order) || !parse(rest, count))
        fail("is " + quoted(line) + " where a count of n-grams should be");
    if (order != counts_.size() + 1)
        fail("counts n-grams of order " + std::to_string(order) + " where order " +
             std::to_string(counts_.size() + 1) + " should be");
    if (order > kMaxOrder)
        fail("the order is more than " + std::to_string(kMaxOrder) +
             "; make a language model of a smaller one");
    if (count > kMaxNgrams - promised_) fail("there are more n-grams than can be read");
    counts_.push_back(count);
    promised_ += count;
}

void ArpaReader::begin_section(std::string_view line) {
    if (section_ == Section::ngrams) end_section();
    const bool is_last = order_ > 0 && order_ == static_cast<int>(counts_.size());
    const std::string expected = is_last ? "\\end\\" : section_line(order_ + 1);
    if (line != expected)
        fail("is " + quoted(line) + " where " + expected +
             " should be; the file is damaged or cut");
    if (counts_.empty()) fail("the header counts no n-grams; the file is damaged");
    section_ = is_last ? Section::end : Section::ngrams;
    if (is_last) return;
    order_++;
    in_section_ = 0;
    sorted_ = true;
}

float ArpaReader::number(std::string_view text, const char* what) const {
    double value;
    if (!parse(text.starts_with('+') ? text.substr(1) : text, value) ||
        !(std::fabs(value) <= kMaxLogarithm))
        fail(std::string(what) + " is " + quoted(text) +
             ", which is no number from -1000000 to 1000000");
    return natural(value);
}

size_t ArpaReader::model_bytes() const {
    return counts_.empty() ? 0 : NgramModel::bytes(promised_states(), promised_);
}

/// The longest n-grams have no states; the root and <s> have one each.
uint64_t ArpaReader::promised_states() const {
    return promised_ - (counts_.size() > 1 ? counts_.back() : 0) + 2;
}

// N-grams ------------------------------------------------------------------------------------

void ArpaReader::read_ngram(std::string_view line) {
    if (in_section_ == counts_[order_ - 1])
        fail("there are more n-grams of order " + std::to_string(order_) + " than the " +
             std::to_string(in_section_) + " of the header");
    std::string_view rest = line;
    const float score = number(cut(rest, '\t'), "a probability");
    const std::string_view text = cut(rest, '\t');
    const bool is_last_order = order_ == static_cast<int>(counts_.size());
    const float backoff = rest.empty() ? kNothing : number(rest, "a back-off weight");
    uint32_t symbols[kMaxOrder];
    const int count = parse_symbols(text, symbols);
    if (count != order_)
        fail("is no n-gram of order " + std::to_string(order_) + ": " + quoted(line));
    constexpr float kRounding = 1e-3f;
    if (score > kRounding && symbols[0] != kBegin)
        fail("the logarithm of a probability is more than 0: " + quoted(line));
    if (order_ == 1)
        add_unigram(symbols[0], score, backoff);
    else
        add_ngram({symbols, static_cast<size_t>(count)}, text, score, is_last_order ? 0 : backoff);
    in_section_++;
    read_++;
    if (read_ == promised_ / kPromise + 1) reserve_promised();
}

/// Room for the whole model, once a part of it has really come: tables that grow are copied, and
/// take twice the memory meanwhile.
void ArpaReader::reserve_promised() {
    tables_.arcs.reserve(vocab_size_ + promised_);
    tables_.states.reserve(promised_states());
    final_scores_.reserve(promised_states());
}

int ArpaReader::parse_symbols(std::string_view text, uint32_t* symbols) const {
    int count = 0;
    while (!text.empty() && count < kMaxOrder) symbols[count++] = symbol(cut(text, ' '));
    return text.empty() ? count : -1;
}

uint32_t ArpaReader::symbol(std::string_view text) const {
    if (text == "<s>") return kBegin;
    if (text == "</s>") return kEnd;
    if (text == "<unk>") return kUnknown;
    return token_of(text);
}

uint32_t ArpaReader::token_of(std::string_view text) const {
    const int64_t code = text.empty() ? -1 : only_character(text);
    if (code < kTokenOffset)
        fail(quoted(text) +
             " is no token; language models are over a model's tokens, not over words (make one "
             "with `parrotlet lm`)");
    const int64_t token = code - kTokenOffset;
    if (token >= vocab_size_)
        fail("token " + std::to_string(token) + " is outside of the model's vocabulary of " +
             std::to_string(vocab_size_) + ": the language model was made for another model");
    return static_cast<uint32_t>(token);
}

void ArpaReader::add_unigram(uint32_t symbol, float score, float backoff) {
    const bool known = symbol == kBegin     ? std::exchange(has_begin_, true)
                       : symbol == kEnd     ? !std::isnan(final_scores_[kRoot])
                       : symbol == kUnknown ? !std::isnan(unknown_)
                                            : !std::isnan(tables_.arcs[symbol].weight);
    if (known) fail("a unigram comes twice");
    if (symbol == kBegin)
        tables_.states[kBeginState].backoff = backoff;
    else if (symbol == kEnd)
        final_scores_[kRoot] = score;
    else if (symbol == kUnknown)
        unknown_ = score;
    else {
        tables_.arcs[symbol].weight = score;
        tables_.arcs[symbol].to = add_state(kRoot, backoff);
    }
}

void ArpaReader::add_ngram(std::span<const uint32_t> symbols, std::string_view text, float score,
                           float backoff) {
    const size_t last = symbols.size() - 1;
    const bool ends = symbols[last] == kEnd;
    for (size_t i = 0; i <= last; i++) {
        const uint32_t s = symbols[i];
        if ((s == kBegin && i > 0) || (s == kEnd && i < last) || s == kUnknown)
            fail(quoted(text) + " has <s>, </s> or <unk> where none can be");
    }
    const uint32_t parent = find_state(symbols.first(last));
    if (parent == kRoot) fail("the beginning of " + quoted(text) + " is not in the file itself");
    const BackoffGraph::State& context = tables_.states[parent];
    if (std::isnan(context.backoff))
        fail("the beginning of " + quoted(text) + " has no back-off weight");
    if (ends) {
        if (!std::isnan(final_scores_[parent])) fail(quoted(text) + " comes twice");
        final_scores_[parent] = score;
        return;
    }
    const BackoffGraph::Arc* suffix = arc_of(context.backoff_to, symbols[last]);
    if (suffix == nullptr || suffix->to == kRoot)
        fail("the end of " + quoted(text) + " is not in the file itself");
    const BackoffGraph::Arc arc{symbols[last], suffix->to, score};
    if (!parents_.empty()) {
        const auto before = std::pair(parents_.back(), tables_.arcs.back().token);
        const auto now = std::pair(parent, arc.token);
        if (before == now) fail("an n-gram comes twice");
        sorted_ = sorted_ && before < now;
    }
    tables_.arcs.push_back(arc);
    parents_.push_back(parent);
    if (order_ < static_cast<int>(counts_.size())) backoffs_.push_back(backoff);
}

/// A state without arcs, whose own come after those that are there.
uint32_t ArpaReader::add_state(uint32_t backoff_to, float backoff) {
    const auto first_arc = static_cast<uint32_t>(tables_.arcs.size());
    tables_.states.push_back({first_arc, backoff, backoff_to});
    final_scores_.push_back(kNothing);
    return static_cast<uint32_t>(tables_.states.size() - 1);
}

/// The state after `symbols`, which are a whole n-gram; the root if there is none.
uint32_t ArpaReader::find_state(std::span<const uint32_t> symbols) const {
    uint32_t state = symbols[0] == kBegin ? kBeginState : tables_.arcs[symbols[0]].to;
    for (const uint32_t token : symbols.subspan(1)) {
        if (state == kRoot) return kRoot;
        const BackoffGraph::Arc* arc = arc_of(state, token);
        state = arc == nullptr ? kRoot : arc->to;
    }
    return state;
}

/// The arc of a state of an order that has been read.
const BackoffGraph::Arc* ArpaReader::arc_of(uint32_t state, uint32_t token) const {
    if (state == kRoot) return &tables_.arcs[token];
    return find_arc(BackoffGraph::arcs_of(tables_, state), token);
}

// Sections -----------------------------------------------------------------------------------

void ArpaReader::end_section() {
    if (in_section_ != counts_[order_ - 1])
        fail("there are " + std::to_string(in_section_) + " n-grams of order " +
             std::to_string(order_) + ", but " + std::to_string(counts_[order_ - 1]) +
             " in the header; the file is damaged or cut");
    if (order_ == 1)
        end_unigrams();
    else
        end_ngrams();
    section_ = Section::between;
}

/// Tokens without a unigram share the probability of <unk> and lead to the root.
void ArpaReader::end_unigrams() {
    if (!has_begin_) fail("there is no unigram of <s>");
    const auto is_missing = [](const BackoffGraph::Arc& arc) { return std::isnan(arc.weight); };
    const auto missing = std::count_if(tables_.arcs.begin(), tables_.arcs.end(), is_missing);
    float unknown = std::isnan(unknown_) ? natural(kNever) : unknown_;
    if (missing > 1) unknown -= static_cast<float>(std::log(static_cast<double>(missing)));
    for (BackoffGraph::Arc& arc : tables_.arcs)
        if (is_missing(arc)) arc.weight = unknown;
    first_state_ = kBeginState;
}

/// Sorts the arcs from `first` on, which have been read, by their states and tokens.
void ArpaReader::sort_arcs(size_t first) {
    const std::span arcs = std::span(tables_.arcs).subspan(first);
    const auto key = [&](size_t i) { return std::pair(parents_[i], arcs[i].token); };
    std::vector<uint32_t> order(arcs.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    // Cycle by cycle, so that nothing is copied as a whole.
    for (uint32_t begin = 0; begin < order.size(); begin++) {
        uint32_t i = begin;
        for (uint32_t from = order[i]; from != begin; from = order[i]) {
            std::swap(arcs[i], arcs[from]);
            std::swap(parents_[i], parents_[from]);
            if (!backoffs_.empty()) std::swap(backoffs_[i], backoffs_[from]);
            order[i] = i;
            i = from;
        }
        order[i] = i;
    }
    for (size_t i = 1; i < arcs.size(); i++)
        if (key(i - 1) == key(i)) fail("of the n-grams above, one comes twice");
}

/// The n-grams of an order become arcs of the states of the order before, and states.
void ArpaReader::end_ngrams() {
    const size_t first = tables_.arcs.size() - parents_.size();
    if (!sorted_) sort_arcs(first);
    const auto end_state = static_cast<uint32_t>(tables_.states.size());
    size_t next = 0;
    for (uint32_t state = first_state_; state < end_state; state++) {
        tables_.states[state].first_arc = static_cast<uint32_t>(first + next);
        while (next < parents_.size() && parents_[next] == state) next++;
    }
    for (size_t i = 0; i < backoffs_.size(); i++) {
        BackoffGraph::Arc& arc = tables_.arcs[first + i];
        arc.to = add_state(arc.to, backoffs_[i]);
    }
    first_state_ = end_state;
    parents_ = {};
    backoffs_ = {};
}

std::shared_ptr<NgramModel> ArpaReader::finish() {
    begin_call();
    if (!pending_.empty()) read_line(std::exchange(pending_, {}));
    if (section_ != Section::end) fail("the file ends before \\end\\; it is empty, damaged or cut");
    resolve_ends();
    auto model = std::make_shared<NgramModel>(std::move(tables_), std::move(final_scores_), order_);
    give_back_heap();
    return model;
}

/// Every state gets a score of </s>, and a back-off weight where the file needed none.
void ArpaReader::resolve_ends() {
    if (std::isnan(final_scores_[kRoot])) final_scores_[kRoot] = natural(kNever);
    for (size_t i = 1; i < tables_.states.size(); i++) {
        BackoffGraph::State& state = tables_.states[i];
        if (std::isnan(state.backoff)) state.backoff = 0;
        if (std::isnan(final_scores_[i]))
            final_scores_[i] = state.backoff + final_scores_[state.backoff_to];
    }
}

}  // namespace parrotlet
