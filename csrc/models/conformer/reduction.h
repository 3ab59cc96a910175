// NeMo's SubsamplingReductionModule: fewer frames from one block of the encoder on.
#pragma once

#include <optional>
#include <span>

#include "models/conformer/subsampling.h"

namespace parrotlet {

/// The largest of every few frames ("pooling", torch.nn.MaxPool1d), or another ConvSubsampling, for
/// which a frame's d_model values take the place of mel bands ("striding").
class SubsamplingReduction {
  public:
    /// Reads "reduction_enc" of the weights, if it has any.
    SubsamplingReduction(const Weights& weights, const ReductionConfig& config, int d_model);

    /// Output frames for `frames` input frames.
    int output_frames(int frames) const {
        return convolutions_ ? convolutions_->output_frames(frames) : frames / config_.factor;
    }

    size_t bytes() const { return convolutions_ ? convolutions_->bytes() : 0; }

    /// The output frames of each sequence of x, which has so many `frames` of each, one after the
    /// other. x and y are [frames of all, d_model] and do not overlap.
    void operator()(Context& context, std::span<const int> frames, const float* x, float* y) const;

  private:
    void pool(const Context& context, int frames, const float* x, float* y) const;

    ReductionConfig config_;
    int d_model_;
    std::optional<ConvSubsampling> convolutions_;  ///< none if pooling
};

}  // namespace parrotlet
