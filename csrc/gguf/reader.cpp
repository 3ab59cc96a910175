#include "gguf/reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "errors.h"

namespace parrotlet {

namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF", little endian
constexpr uint64_t kMaxDims = 4;         // GGML_MAX_DIMS
constexpr int kMaxNesting = 4;           // arrays of arrays: none of our files has any
// A vocabulary has some 10^4 entries and a model some 10^3 tensors. An entry takes up to a hundred
// times as much memory as bytes in the file, so that counts need limits of their own.
constexpr uint64_t kMaxElements = uint64_t{1} << 20;  // of all arrays together
constexpr uint64_t kMaxEntries = uint64_t{1} << 16;   // metadata keys, and tensors
constexpr uint64_t kMaxText = uint64_t{1} << 24;      // bytes of one string
constexpr size_t kWindowBytes = size_t{1} << 16;      // of the header, read at a time

/// a * b, or nothing that could be mistaken for a size when it overflows.
bool multiply(uint64_t a, uint64_t b, uint64_t& product) {
    return !__builtin_mul_overflow(a, b, &product);
}

}  // namespace

uint64_t TensorInfo::rows() const {
    uint64_t rows = 1;
    for (size_t i = 1; i < ne.size(); i++) rows *= ne[i];
    return rows;
}

/// A position in the file that never moves past its end.
class GgufFile::Cursor {
  public:
    Cursor(const InputFile& file, const std::string& path) : file_(file), path_(path) {}

    uint64_t position() const { return position_; }
    uint64_t remaining() const { return file_.size() - position_; }

    [[noreturn]] void fail(const std::string& what) const {
        throw ModelFileError(path_ + ": " + what + " (at byte " + std::to_string(position_) +
                             " of " + std::to_string(file_.size()) +
                             "); the file is damaged: copy or convert it again");
    }

    template <typename T>
    T read(const char* what) {
        if (remaining() < sizeof(T)) fail(std::string("ends inside ") + what);
        T value;
        take(reinterpret_cast<std::byte*>(&value), sizeof(T));
        return value;
    }

    std::string read_string(const char* what) {
        const auto length = read<uint64_t>(what);
        if (length > remaining()) fail(std::string("ends inside ") + what);
        if (length > kMaxText) fail(std::string("has too many bytes in ") + what);
        std::string text(length, '\0');
        take(reinterpret_cast<std::byte*>(text.data()), length);
        return text;
    }

    /// A key or a tensor's name: printable ASCII, so that it can be shown and looked up.
    std::string read_name(const char* what) {
        std::string name = read_string(what);
        const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
        if (!std::all_of(name.begin(), name.end(), printable))
            fail(std::string("has unprintable characters in ") + what);
        return name;
    }

    MetadataValue read_value(MetadataType type, int depth) {
        switch (type) {
            case MetadataType::u8: return {uint64_t{read<uint8_t>("a value")}};
            case MetadataType::u16: return {uint64_t{read<uint16_t>("a value")}};
            case MetadataType::u32: return {uint64_t{read<uint32_t>("a value")}};
            case MetadataType::u64: return {read<uint64_t>("a value")};
            case MetadataType::i8: return {int64_t{read<int8_t>("a value")}};
            case MetadataType::i16: return {int64_t{read<int16_t>("a value")}};
            case MetadataType::i32: return {int64_t{read<int32_t>("a value")}};
            case MetadataType::i64: return {read<int64_t>("a value")};
            case MetadataType::f32: return {double{read<float>("a value")}};
            case MetadataType::f64: return {read<double>("a value")};
            case MetadataType::boolean: return {read<uint8_t>("a value") != 0};
            case MetadataType::string: return {read_string("a string")};
            case MetadataType::array: return read_array(depth);
        }
        fail("metadata value type " + std::to_string(static_cast<uint32_t>(type)) + " is unknown");
    }

  private:
    MetadataValue read_array(int depth) {
        if (depth >= kMaxNesting) fail("metadata arrays are nested too deeply");
        const auto type = static_cast<MetadataType>(read<uint32_t>("an array's type"));
        const auto count = read<uint64_t>("an array's length");
        // No reserve: memory grows only as elements are really read.
        if (count > remaining()) fail("an array claims more elements than the file has bytes");
        if (count > kMaxElements - elements_) fail("the arrays have too many elements");
        elements_ += count;
        if (type == MetadataType::u8) {
            MetadataBytes bytes(count);
            take(reinterpret_cast<std::byte*>(bytes.data()), count);
            return {std::move(bytes)};
        }
        MetadataArray array{type, {}};
        for (uint64_t i = 0; i < count; i++) array.elements.push_back(read_value(type, depth + 1));
        return {std::move(array)};
    }

    /// The next `size` bytes, which must remain.
    void take(std::byte* out, size_t size) {
        while (size > 0) {
            if (position_ < window_start_ || position_ >= window_start_ + window_.size()) {
                window_.resize(std::min<uint64_t>(kWindowBytes, remaining()));
                window_start_ = position_;
                file_.read(position_, window_);
            }
            const size_t begin = position_ - window_start_;
            const size_t count = std::min(size, window_.size() - begin);
            out = std::copy_n(window_.data() + begin, count, out);
            size -= count;
            position_ += count;
        }
    }

    const InputFile& file_;
    const std::string& path_;
    uint64_t position_ = 0;
    uint64_t elements_ = 0;  ///< of the arrays read so far
    std::vector<std::byte> window_;
    uint64_t window_start_ = 0;
};

GgufFile::GgufFile(const std::string& path, bool any_type) : path_(path), file_(path) {
    Cursor cursor(*file_, path_);
    if (cursor.remaining() < 4 || cursor.read<uint32_t>("the magic") != kMagic)
        throw ModelFileError(path + ": is not a GGUF file (it does not begin with GGUF); a .nemo " +
                             "checkpoint is turned into one by 'parrotlet convert'");
    version_ = cursor.read<uint32_t>("the version");
    if (version_ < 2 || version_ > 3)
        throw ModelFileError(path + ": GGUF version " + std::to_string(version_) +
                             " is not supported (2 and 3 are); convert the checkpoint again");
    const auto n_tensors = cursor.read<uint64_t>("the tensor count");
    const auto n_metadata = cursor.read<uint64_t>("the metadata count");
    if (n_tensors > cursor.remaining() || n_metadata > cursor.remaining())
        cursor.fail("the header counts more entries than the file has bytes");
    if (n_tensors > kMaxEntries || n_metadata > kMaxEntries)
        cursor.fail("the header counts more entries than any model has");
    read_metadata(cursor, n_metadata);
    alignment_ = get<uint64_t>("general.alignment", 32);
    if (alignment_ == 0 || alignment_ % 8 != 0 || alignment_ > (1u << 20))
        cursor.fail("general.alignment " + std::to_string(alignment_) + " is not usable");
    read_tensor_infos(cursor, n_tensors, any_type);
    place_tensors((cursor.position() + alignment_ - 1) / alignment_ * alignment_);
}

GgufFile::GgufFile(std::string name, std::map<std::string, MetadataValue> metadata,
                   std::vector<TensorInfo> tensors)
    : path_(std::move(name)), metadata_(std::move(metadata)), tensors_(std::move(tensors)) {
    for (size_t i = 0; i < tensors_.size(); i++) by_name_.emplace(tensors_[i].name, i);
}

void GgufFile::read_metadata(Cursor& cursor, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        std::string key = cursor.read_name("a metadata key");
        const auto type = static_cast<MetadataType>(cursor.read<uint32_t>("a value's type"));
        if (!metadata_.emplace(key, cursor.read_value(type, 0)).second)
            cursor.fail("the metadata key " + key + " occurs twice");
        keys_.push_back({std::move(key), type});
    }
}

void GgufFile::read_tensor_infos(Cursor& cursor, uint64_t count, bool any_type) {
    for (uint64_t i = 0; i < count; i++) {
        TensorInfo info;
        info.name = cursor.read_name("a tensor's name");
        const auto n_dims = cursor.read<uint32_t>("a tensor's rank");
        if (n_dims > kMaxDims)
            cursor.fail("tensor " + info.name + " has " + std::to_string(n_dims) + " dimensions");
        for (uint32_t d = 0; d < n_dims; d++)
            info.ne.push_back(cursor.read<uint64_t>("a tensor's shape"));
        const auto type_id = cursor.read<uint32_t>("a tensor's type");
        const auto type = tensor_type_from_id(type_id);
        if (!type && any_type) info.foreign = foreign_layout_from_id(type_id);
        if (!type && !info.foreign)
            throw ModelFileError(path_ + ": tensor " + info.name + " has GGML type " +
                                 std::to_string(type_id) +
                                 ", which this version does not read; convert the checkpoint with "
                                 "this version, or update parrotlet");
        info.type = type.value_or(TensorType::f32);
        info.offset = cursor.read<uint64_t>("a tensor's offset");
        const BlockLayout layout = info.layout();
        uint64_t elements = 1;
        for (uint64_t n : info.ne)
            if (n == 0 || !multiply(elements, n, elements))
                cursor.fail("tensor " + info.name + " has an impossible shape");
        if (info.row_length() % layout.elements != 0)
            cursor.fail("rows of tensor " + info.name + " do not divide into blocks of " +
                        std::string(layout.name));
        if (!multiply(elements / layout.elements, layout.bytes, info.n_bytes))
            cursor.fail("tensor " + info.name + " has an impossible shape");
        if (!by_name_.emplace(info.name, tensors_.size()).second)
            cursor.fail("the tensor " + info.name + " occurs twice");
        tensors_.push_back(std::move(info));
    }
}

void GgufFile::place_tensors(uint64_t data_start) {
    const uint64_t size = file_->size();
    for (TensorInfo& info : tensors_) {
        const bool inside = data_start <= size && info.offset <= size - data_start &&
                            info.n_bytes <= size - data_start - info.offset;
        if (!inside || info.offset % alignment_ != 0)
            throw ModelFileError(path_ + ": tensor " + info.name + " (" +
                                 std::to_string(info.n_bytes) + " bytes at offset " +
                                 std::to_string(info.offset) +
                                 ") does not lie inside the file; it is cut or damaged: copy or "
                                 "convert it again");
        info.offset += data_start;
    }
}

void GgufFile::read_rows(const TensorInfo& tensor, uint64_t first, uint64_t count,
                         std::byte* out) const {
    const size_t stride = row_bytes(tensor.type, tensor.row_length());
    if (!file_) {
        std::fill_n(out, count * stride, std::byte{0});
        return;
    }
    file_->read(tensor.offset + first * stride, {out, count * stride});
}

const TensorInfo* GgufFile::find(const std::string& name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

namespace {

template <typename T>
bool convert_value(const MetadataValue& from, T& to) {
    if (const T* same = std::get_if<T>(&from.value)) {
        to = *same;
        return true;
    }
    return false;
}

bool convert_value(const MetadataValue& from, int64_t& to) {
    if (const auto* value = std::get_if<int64_t>(&from.value)) {
        to = *value;
        return true;
    }
    const auto* value = std::get_if<uint64_t>(&from.value);
    if (value == nullptr || *value > uint64_t{std::numeric_limits<int64_t>::max()}) return false;
    to = static_cast<int64_t>(*value);
    return true;
}

template <typename T>
bool convert_value(const MetadataValue& from, std::vector<T>& to) {
    const auto* array = std::get_if<MetadataArray>(&from.value);
    if (array == nullptr) return false;
    to.resize(array->elements.size());
    return std::equal(array->elements.begin(), array->elements.end(), to.begin(),
                      [](const MetadataValue& v, T& out) { return convert_value(v, out); });
}

}  // namespace

template <typename T>
T GgufFile::get(const std::string& key) const {
    const auto it = metadata_.find(key);
    if (it == metadata_.end())
        throw ModelFileError(path_ + ": the metadata key " + key +
                             " is missing; convert the checkpoint again");
    T value{};
    if (!convert_value(it->second, value))
        throw ModelFileError(path_ + ": the metadata key " + key + " has an unexpected type");
    return value;
}

template uint64_t GgufFile::get(const std::string&) const;
template int64_t GgufFile::get(const std::string&) const;
template double GgufFile::get(const std::string&) const;
template bool GgufFile::get(const std::string&) const;
template std::string GgufFile::get(const std::string&) const;
template std::vector<int64_t> GgufFile::get(const std::string&) const;
template std::vector<std::string> GgufFile::get(const std::string&) const;

}  // namespace parrotlet
