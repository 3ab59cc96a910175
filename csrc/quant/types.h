// The tensor types of a GGUF file that parrotlet reads and writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace parrotlet {

/// Values are GGML's own type numbers, as stored in the file.
enum class TensorType : uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q8_0 = 8,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
};

/// How a type lays out one row: `elements` values share one block of `bytes` bytes.
struct BlockLayout {
    std::string_view name;
    size_t elements;
    size_t bytes;
};

/// Every supported type, widest first.
std::span<const TensorType> tensor_types();

BlockLayout block_layout(TensorType type);

/// The type a GGUF type number or a name ("q8_0") stands for; nothing if it is not supported.
std::optional<TensorType> tensor_type_from_id(uint32_t id);
std::optional<TensorType> tensor_type_from_name(std::string_view name);

/// The layout of a type of GGML's that others write and nothing here computes with, by its number;
/// nothing for one that is not known.
std::optional<BlockLayout> foreign_layout_from_id(uint32_t id);

/// Bytes of one row of `elements` values. `elements` must divide into whole blocks.
size_t row_bytes(TensorType type, size_t elements);

}  // namespace parrotlet
