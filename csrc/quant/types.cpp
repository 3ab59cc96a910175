#include "quant/types.h"

#include <array>

namespace parrotlet {

namespace {
constexpr std::array kTypes{TensorType::f32,  TensorType::f16,  TensorType::q8_0, TensorType::q6_k,
                            TensorType::q5_k, TensorType::q4_k, TensorType::q4_0};
}

std::span<const TensorType> tensor_types() { return kTypes; }

BlockLayout block_layout(TensorType type) {
    switch (type) {
        case TensorType::f32: return {"f32", 1, 4};
        case TensorType::f16: return {"f16", 1, 2};
        case TensorType::q8_0: return {"q8_0", 32, 34};
        case TensorType::q6_k: return {"q6_k", 256, 210};
        case TensorType::q5_k: return {"q5_k", 256, 176};
        case TensorType::q4_k: return {"q4_k", 256, 144};
        case TensorType::q4_0: return {"q4_0", 32, 18};
    }
    return {};
}

std::optional<TensorType> tensor_type_from_id(uint32_t id) {
    for (TensorType type : kTypes)
        if (static_cast<uint32_t>(type) == id) return type;
    return std::nullopt;
}

std::optional<TensorType> tensor_type_from_name(std::string_view name) {
    for (TensorType type : kTypes)
        if (block_layout(type).name == name) return type;
    return std::nullopt;
}

std::optional<BlockLayout> foreign_layout_from_id(uint32_t id) {
    switch (id) {
        case 3: return {{"q4_1", 32, 20}};
        case 6: return {{"q5_0", 32, 22}};
        case 7: return {{"q5_1", 32, 24}};
        case 10: return {{"q2_k", 256, 84}};
        case 11: return {{"q3_k", 256, 110}};
        case 20: return {{"iq4_nl", 32, 18}};
        case 23: return {{"iq4_xs", 256, 136}};
        case 30: return {{"bf16", 1, 2}};
        default: return std::nullopt;
    }
}

size_t row_bytes(TensorType type, size_t elements) {
    const BlockLayout layout = block_layout(type);
    return elements / layout.elements * layout.bytes;
}

}  // namespace parrotlet
