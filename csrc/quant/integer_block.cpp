#include "quant/integer_block.h"

#include <algorithm>
#include <cstring>

#include "quant/half.h"

namespace parrotlet {

namespace {

constexpr size_t kSuperBlock = 256;  // values of a k-type block
constexpr size_t kParts = kSuperBlock / IntegerBlock::kSize;

float read_half(const uint8_t* p) {
    uint16_t half;
    std::memcpy(&half, p, sizeof half);
    return half_to_float(half);
}

void set_all(float (&values)[2], float value) { values[0] = values[1] = value; }

void unpack_q8_0(const uint8_t* block, IntegerBlock& out) {
    const float scale = read_half(block);
    set_all(out.scales, scale);
    set_all(out.mins, 128.0f * scale);
    for (size_t i = 0; i < 32; i++) out.quants[i] = block[2 + i] ^ 0x80u;  // + 128
}

void unpack_q4_0(const uint8_t* block, IntegerBlock& out) {
    const float scale = read_half(block);
    set_all(out.scales, scale);
    set_all(out.mins, 8.0f * scale);
    for (size_t i = 0; i < 16; i++) {
        out.quants[i] = block[2 + i] & 15u;
        out.quants[16 + i] = block[2 + i] >> 4;
    }
}

/// Scale and minimum of part `part` from the 12 bytes that q4_k and q5_k keep their eight 6-bit
/// pairs in: the first four in the low bits of bytes 0..3 and 4..7, the others in the nibbles of
/// bytes 8..11 and the high bits of the first eight.
void unpack_scale_and_min(const uint8_t* packed, size_t part, int& scale, int& min) {
    if (part < 4) {
        scale = packed[part] & 63;
        min = packed[part + 4] & 63;
    } else {
        scale = (packed[part + 4] & 15) | (packed[part - 4] >> 6 << 4);
        min = (packed[part + 4] >> 4) | (packed[part] >> 6 << 4);
    }
}

/// q4_k: two halves, 12 bytes of scales, nibbles. q5_k has 32 bytes of fifth bits before those.
void unpack_q4_k_or_q5_k(const uint8_t* block, size_t part, bool five_bits, IntegerBlock& out) {
    int scale, min;
    unpack_scale_and_min(block + 4, part, scale, min);
    set_all(out.scales, read_half(block) * static_cast<float>(scale));
    set_all(out.mins, read_half(block + 2) * static_cast<float>(min));
    const uint8_t* high_bits = block + 16;
    const uint8_t* nibbles = block + (five_bits ? 48 : 16) + part / 2 * 32;
    for (size_t i = 0; i < 32; i++) {
        out.quants[i] = part % 2 == 0 ? nibbles[i] & 15u : nibbles[i] >> 4;
        if (five_bits) out.quants[i] |= static_cast<uint8_t>((high_bits[i] >> part & 1u) << 4);
    }
}

/// q6_k: 128 bytes of low nibbles, 64 of high bit pairs, 16 signed scales, one half. Each half of
/// the block interleaves four runs of 32 values.
void unpack_q6_k(const uint8_t* block, size_t part, IntegerBlock& out) {
    const size_t half = part / 4, run = part % 4;
    const uint8_t* nibbles = block + half * 64 + run % 2 * 32;
    const uint8_t* pairs = block + 128 + half * 32;
    const auto* scales = reinterpret_cast<const int8_t*>(block + 192) + half * 8 + run * 2;
    for (size_t i = 0; i < 2; i++) {
        out.scales[i] = read_half(block + 208) * static_cast<float>(scales[i]);
        out.mins[i] = 32.0f * out.scales[i];
    }
    for (size_t i = 0; i < 32; i++) {
        const unsigned low = run < 2 ? nibbles[i] & 15u : nibbles[i] >> 4;
        out.quants[i] = static_cast<uint8_t>(low | (pairs[i] >> 2 * run & 3u) << 4);
    }
}

}  // namespace

IntegerBlock integer_block(TensorType type, const std::byte* row, size_t index) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(row);
    const size_t stride = block_layout(type).bytes;
    const size_t part = index % kParts;
    IntegerBlock out{};
    switch (type) {
        case TensorType::q8_0: unpack_q8_0(bytes + index * stride, out); break;
        case TensorType::q4_0: unpack_q4_0(bytes + index * stride, out); break;
        case TensorType::q4_k:
            unpack_q4_k_or_q5_k(bytes + index / kParts * stride, part, false, out);
            break;
        case TensorType::q5_k:
            unpack_q4_k_or_q5_k(bytes + index / kParts * stride, part, true, out);
            break;
        case TensorType::q6_k: unpack_q6_k(bytes + index / kParts * stride, part, out); break;
        case TensorType::f32:
        case TensorType::f16: break;
    }
    return out;
}

}  // namespace parrotlet
