// NeMo's ConvSubsampling: stride-2 convolutions over (time, mel bands), then a projection.
#pragma once

#include <span>
#include <vector>

#include "models/conformer/config.h"
#include "nn/layers.h"

namespace parrotlet {

constexpr int kSubsamplingChunk = 8;     ///< output frames a task computes at once
constexpr int kSubsamplingBlock = 1024;  ///< output frames whose flattened rows exist at once

/// Output frames [begin, end) that are wanted of features[frames, width], with as many mel bands,
/// or whatever takes their place.
struct SubsampledRows {
    const float* features;
    int frames;
    int begin, end;
};

class ConvSubsampling {
  public:
    /// Of input frames as wide as `width`.
    ConvSubsampling(const Weights& weights, const SubsamplingConfig& config, int width,
                    int d_model);

    /// Output frames for `frames` input frames.
    int output_frames(int frames) const;

    size_t bytes() const;  ///< of the weights, packed

    /// y[rows, d_model]: the output frames that are wanted of each sequence, one after the other.
    void operator()(Context& context, std::span<const SubsampledRows> sequences, float* y) const;

  private:
    /// One convolution of stride 2 in both directions, followed by ReLU. The first has a single
    /// input channel; later ones are depthwise plus pointwise (dw_striding) or dense (striding).
    struct Stage {
        int in_bins, out_bins;
        Buffer<float> weight, bias;  ///< [9, channels], [channels]; unused if dense
        Linear pointwise;            ///< dw_striding only
        PackedMatrix dense;          ///< striding only: [channels, 9 channels], taps outermost
    };

    /// A run of consecutive frames of one stage's input or output.
    struct Frames {
        int begin, end;
        int count() const { return end - begin; }
    };

    int stage_output(int n) const { return (n + padding_left_ + padding_right_ - 3) / 2 + 1; }
    void load_later_stage(Stage& stage, const Weights& conv, int index);
    void run_chunk(const Context& context, const float* features, int frames, Frames chunk,
                   float* flat) const;
    void run_stage(const Context& context, Arena& arena, const Stage& stage, bool first,
                   const float* x, Frames in, Frames out, float* y) const;
    void gather_patches(const Stage& stage, const float* x, Frames in, int t, float* patches) const;
    void run_dense(const Context& context, Arena& arena, const Stage& stage, const float* x,
                   Frames in, Frames out, float* y) const;

    SubsamplingConfig config_;
    int width_, d_model_;
    int padding_left_, padding_right_;
    std::vector<Stage> stages_;
    Linear out_;
};

}  // namespace parrotlet
