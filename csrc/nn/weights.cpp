#include "nn/weights.h"

#include <algorithm>

#include "errors.h"
#include "quant/blocks.h"

namespace parrotlet {

namespace {

template <typename Shape>
std::string shape_text(const Shape& shape) {
    std::string text = "[";
    for (const auto n : shape) {
        if (text.size() > 1) text += ", ";
        text += std::to_string(n);
    }
    return text + "]";
}

}  // namespace

const TensorInfo& Weights::tensor(const std::string& name,
                                  std::initializer_list<size_t> shape) const {
    const TensorInfo* tensor = file_->find(full(name));
    if (tensor == nullptr)
        throw ModelFileError(file_->path() + ": the tensor " + full(name) +
                             " is missing; convert the checkpoint again");
    if (!std::equal(tensor->ne.rbegin(), tensor->ne.rend(), shape.begin(), shape.end())) {
        const std::vector<uint64_t> found(tensor->ne.rbegin(), tensor->ne.rend());
        throw ModelFileError(file_->path() + ": the tensor " + full(name) + " has shape " +
                             shape_text(found) + ", but the metadata implies " + shape_text(shape) +
                             "; convert the checkpoint again");
    }
    return *tensor;
}

Buffer<float> Weights::values(const std::string& name, std::initializer_list<size_t> shape) const {
    return decode_tensor(tensor(name, shape));
}

Buffer<float> Weights::optional_values(const std::string& name,
                                       std::initializer_list<size_t> shape) const {
    return has(name) ? values(name, shape) : Buffer<float>();
}

Buffer<float> decode_tensor(const TensorInfo& tensor) {
    const size_t length = tensor.row_length(), rows = tensor.rows();
    const size_t stride = row_bytes(tensor.type, length);
    Buffer<float> values(length * rows);
    for (size_t r = 0; r < rows; r++)
        decode_row(tensor.type, tensor.data + r * stride, {values.data() + r * length, length});
    return values;
}

}  // namespace parrotlet
