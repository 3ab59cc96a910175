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

MatrixRows Weights::matrix(const std::string& name, std::initializer_list<size_t> shape) const {
    const TensorInfo& info = tensor(name, shape);
    MatrixRows rows{
        .type = info.type, .rows = info.rows(), .length = info.row_length(), .read = {}};
    if (!file_->described())
        rows.read = [file = file_, &info](size_t first, size_t count, std::byte* out) {
            file->read_rows(info, first, count, out);
        };
    return rows;
}

PackedMatrix Weights::packed(const std::string& name, int out, int in) const {
    const MatrixRows rows = matrix(name, {size_t(out), size_t(in)});
    return PackedMatrix({&rows, 1}, Arrangement::stacked);
}

Buffer<float> Weights::values(const std::string& name, std::initializer_list<size_t> shape) const {
    const TensorInfo& info = tensor(name, shape);
    Buffer<float> values(info.row_length() * info.rows());
    decode_tensor(*file_, info, values.data());
    return values;
}

Buffer<float> Weights::optional_values(const std::string& name,
                                       std::initializer_list<size_t> shape) const {
    return has(name) ? values(name, shape) : Buffer<float>();
}

void decode_tensor(const GgufFile& file, const TensorInfo& tensor, float* out) {
    const size_t length = tensor.row_length(), rows = tensor.rows();
    const size_t stride = row_bytes(tensor.type, length);
    const size_t batch = std::min(rows, std::max<size_t>(kReadBytes / stride, 1));
    Buffer<std::byte> encoded(batch * stride);
    for (size_t first = 0; first < rows; first += batch) {
        const size_t count = std::min(batch, rows - first);
        file.read_rows(tensor, first, count, encoded.data());
        for (size_t r = 0; r < count; r++, out += length)
            decode_row(tensor.type, encoded.data() + r * stride, {out, length});
    }
}

}  // namespace parrotlet
