// GGUF v3: a header, metadata key-value pairs, tensor descriptions, then aligned tensor data.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
//
// Everything a file says is checked against the file's own size before it is believed: nothing
// read here can lead to a read outside of it or to an allocation much larger than the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "quant/types.h"
#include "runtime/input_file.h"

namespace parrotlet {

/// What metadata values are stored as, by the number in the file.
enum class MetadataType : uint32_t {
    u8 = 0,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64
};

struct MetadataValue;

struct MetadataArray {
    MetadataType type;  ///< of the elements, which are not bytes
    std::vector<MetadataValue> elements;
};

/// An array of u8: a table of some 100 kB, as a tokenizer has it, takes no more than its bytes.
using MetadataBytes = std::vector<uint8_t>;

/// One metadata value; integers of every width become int64 or uint64, floats double.
struct MetadataValue {
    std::variant<uint64_t, int64_t, double, bool, std::string, MetadataBytes, MetadataArray> value;
};

/// A metadata key, and what its value is stored as.
struct MetadataKey {
    std::string name;
    MetadataType type;
};

struct TensorInfo {
    std::string name;
    std::vector<uint64_t> ne;  ///< GGML order: ne[0] is the contiguous axis
    TensorType type = TensorType::f32;
    std::optional<BlockLayout>
        foreign;          ///< of a type that nothing computes with, instead of `type`
    uint64_t offset = 0;  ///< from the start of the file
    uint64_t n_bytes = 0;

    uint64_t row_length() const { return ne.empty() ? 1 : ne[0]; }
    uint64_t rows() const;
    BlockLayout layout() const { return foreign ? *foreign : block_layout(type); }
};

class GgufFile {
  public:
    /// Opens and checks the file. Throws ModelFileError, naming the path, what is wrong and where.
    /// With `any_type` tensors may have `foreign` types: they are described, and not read here.
    explicit GgufFile(const std::string& path, bool any_type = false);

    /// A description of a file that need not be there, called `name` in errors: for planning what a
    /// model takes. Its tensors have no data; rows read are zero.
    GgufFile(std::string name, std::map<std::string, MetadataValue> metadata,
             std::vector<TensorInfo> tensors);

    /// Whether there is no file, but a description alone.
    bool described() const { return !file_; }

    const std::string& path() const { return path_; }
    uint32_t version() const { return version_; }
    uint64_t alignment() const { return alignment_; }
    const std::map<std::string, MetadataValue>& metadata() const { return metadata_; }
    /// The keys of the metadata in the order of the file.
    const std::vector<MetadataKey>& keys() const { return keys_; }
    const std::vector<TensorInfo>& tensors() const { return tensors_; }

    /// nullptr if the file has no such tensor.
    const TensorInfo* find(const std::string& name) const;

    /// Reads `count` rows of a tensor from row `first` on. `out` must hold count * row_bytes().
    /// May be called from several threads. Throws ModelFileError if the file has been cut since.
    void read_rows(const TensorInfo& tensor, uint64_t first, uint64_t count, std::byte* out) const;

    /// Typed metadata access. Throws ModelFileError naming the key if it is absent or of another
    /// type; the second form returns `fallback` if it is absent.
    template <typename T>
    T get(const std::string& key) const;
    template <typename T>
    T get(const std::string& key, T fallback) const {
        return metadata_.contains(key) ? get<T>(key) : fallback;
    }

  private:
    class Cursor;
    void read_metadata(Cursor& cursor, uint64_t count);
    void read_tensor_infos(Cursor& cursor, uint64_t count, bool any_type);
    void place_tensors(uint64_t data_start);

    std::string path_;
    std::optional<InputFile> file_;
    uint32_t version_ = 0;
    uint64_t alignment_ = 32;
    std::map<std::string, MetadataValue> metadata_;
    std::vector<MetadataKey> keys_;
    std::vector<TensorInfo> tensors_;
    std::map<std::string, size_t> by_name_;
};

}  // namespace parrotlet
