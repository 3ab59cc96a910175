// Named tensors of a model file, checked against the shapes a layer expects.
#pragma once

#include <initializer_list>
#include <string>

#include "gguf/reader.h"
#include "nn/packed_matrix.h"

namespace parrotlet {

/// A scope of tensor names within a file: Weights(file) / "encoder" / "layers.0" finds
/// "encoder.layers.0.norm_out.weight" as "norm_out.weight".
class Weights {
  public:
    explicit Weights(const GgufFile& file, std::string prefix = "")
        : file_(&file), prefix_(std::move(prefix)) {}

    Weights operator/(const std::string& scope) const { return Weights(*file_, full(scope)); }

    const GgufFile& file() const { return *file_; }
    bool has(const std::string& name) const { return file_->find(full(name)) != nullptr; }

    /// The tensor, whose shape must be `shape` (PyTorch order, slowest axis first). Throws
    /// ModelFileError naming the tensor if it is absent or of another shape.
    const TensorInfo& tensor(const std::string& name, std::initializer_list<size_t> shape) const;

    /// The same as a matrix [shape[0], shape[1]] to be packed.
    MatrixRows matrix(const std::string& name, std::initializer_list<size_t> shape) const;

    /// The matrix [out, in] packed.
    PackedMatrix packed(const std::string& name, int out, int in) const;

    /// The tensor's values as floats, whatever its type.
    Buffer<float> values(const std::string& name, std::initializer_list<size_t> shape) const;

    /// As values(), or an empty buffer if the file has no such tensor.
    Buffer<float> optional_values(const std::string& name,
                                  std::initializer_list<size_t> shape) const;

  private:
    std::string full(const std::string& name) const {
        return prefix_.empty() ? name : prefix_ + "." + name;
    }

    const GgufFile* file_;
    std::string prefix_;
};

/// Decodes a whole tensor into out[rows, row_length], a few rows at a time.
void decode_tensor(const GgufFile& file, const TensorInfo& tensor, float* out);

}  // namespace parrotlet
