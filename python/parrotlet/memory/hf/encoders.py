"""Audio encoders: their tensors, and what running them needs to know.

Each function follows a class of `transformers` (or, where it says so, of vLLM), whose parameters it
lists with their shapes. Section are those of the class's configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from parrotlet.architectures.keys import Section
from parrotlet.memory.weights import Part, Weight

ENCODER = "encoder"
CONVOLUTION = "convolution"


@dataclass(frozen=True)
class AudioEncoder:
    """An audio encoder.

    `frames(mel frames)` is how many frames it makes of a window; audio is padded to windows of
    `window` mel frames, or not at all if that is None. `conv_floats` are the outputs of its
    convolutions, per mel frame; `inner` is the widest place inside its feed-forward networks, and
    `attention` the width of queries, keys and values where it is not `d_model`.
    """

    weights: list[Weight]
    layers: int
    d_model: int
    inner: int
    mel_bands: int
    conv_floats: float
    frames: Callable[[int], int]
    window: int | None = None
    mel_rate: int = 100
    attention: int | None = None

    @property
    def kv_width(self) -> int:
        """Floats of a frame's keys, and of its values."""
        return self.attention or self.d_model

    @property
    def width(self) -> int:
        """What one layer holds per frame at most, in floats."""
        return layer_width(self.d_model, 4 * self.kv_width, self.inner)


def layer_width(d_model: int, attention: int, feed_forward: int) -> int:
    """Floats per position while a layer runs: the residual, its normalised copy, and the wider of
    attention (queries, keys, values and result) and the inside of the feed-forward network."""
    return 2 * d_model + max(attention, feed_forward)


def _halved(times: int) -> Callable[[int], int]:
    def frames(count: int) -> int:
        for _ in range(times):
            count = (count - 1) // 2 + 1
        return count

    return frames


def whisper(keys: Section, *, positions: bool = True) -> AudioEncoder:
    """WhisperEncoder, and those made like it (Qwen2AudioEncoder, VoxtralEncoder).

    `positions`: whether the table of sines counts as a parameter.
    """
    d = keys.integer(("d_model", "hidden_size"))
    layers = keys.integer(("encoder_layers", "num_hidden_layers"))
    ffn = keys.integer(("encoder_ffn_dim", "intermediate_size"))
    mels = keys.integer("num_mel_bins")
    length = keys.integer(("max_source_positions", "max_position_embeddings"))
    part = Part(ENCODER)
    conv_stem(part, d, mels)
    if positions:
        part.tensor("positions", length, d)
    attention_layers(part.repeated(layers), d, ffn)
    part.layer_norm("final norm", d)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=ffn,
        mel_bands=mels,
        conv_floats=d + d / 2,
        frames=_halved(1),
        window=2 * length,
    )


def conv_stem(part: Part, d_model: int, mel_bands: int) -> None:
    """Two convolutions over time, the second of stride 2."""
    part.conv(CONVOLUTION, d_model, mel_bands, 3)
    part.conv(CONVOLUTION, d_model, d_model, 3)


def attention_layers(part: Part, d: int, ffn: int, *, key_bias: bool = False) -> None:
    """WhisperEncoderLayer."""
    part.linear("self-attention", d, d, times=3)
    part.linear("self-attention", d, d, bias=key_bias)
    part.feed_forward(d, ffn)
    part.layer_norm("norms", d, times=2)


def qwen2_5_omni(keys: Section) -> AudioEncoder:
    """Qwen2_5OmniAudioEncoder: Whisper's with a projection to the decoder's width."""
    encoder = whisper(keys, positions=False)
    part = Part("projector")
    out = keys.integer("output_dim")
    part.linear("linear", out, encoder.d_model)
    part.tensor("audio markers", 2, out)
    encoder.weights.extend(part.weights)
    return encoder


def qwen3_omni(keys: Section, *, projection: bool = True) -> AudioEncoder:
    """Qwen3OmniMoeAudioEncoder, and with another `projection` Qwen3ASREncoder."""
    d = keys.integer("d_model")
    layers, ffn = keys.integer("encoder_layers"), keys.integer("encoder_ffn_dim")
    mels, channels = keys.integer("num_mel_bins"), keys.integer("downsample_hidden_size")
    part = Part(ENCODER)
    bins, floats, inputs = mels, 0.0, 1
    for stage in range(3):
        bins = (bins + 1) // 2
        part.conv(CONVOLUTION, channels, inputs, 3, 3)
        floats += channels * bins / 2 ** (stage + 1)
        inputs = channels
    part.linear(CONVOLUTION, d, channels * bins, bias=False)
    attention_layers(part.repeated(layers), d, ffn, key_bias=True)
    part.layer_norm("final norm", d)
    if projection:
        out = Part("projector")
        out.linear("linear", d, d)
        out.linear("linear", keys.integer("output_dim"), d)
        part.weights.extend(out.weights)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=ffn,
        mel_bands=mels,
        conv_floats=floats,
        frames=_qwen3_frames,
    )


def _qwen3_frames(count: int) -> int:
    """Pieces of 100 mel frames are convolved apart: 13 frames each."""
    whole, rest = divmod(count, 100)
    return 13 * whole + (_halved(3)(rest) if rest else 0)


def glm_asr(keys: Section) -> AudioEncoder:
    """GlmAsrEncoder: Whisper's with rotary positions."""
    return whisper(keys, positions=False)


def granite_speech(keys: Section) -> AudioEncoder:
    """GraniteSpeechCTCEncoder: Conformer blocks with relative positions inside blocks of frames."""
    d, layers = keys.integer("hidden_dim"), keys.integer("num_layers")
    heads, head = keys.integer("num_heads"), keys.integer("dim_head")
    ffn = d * keys.integer("feedforward_mult")
    inner = d * keys.integer("conv_expansion_factor")
    inputs, outputs = keys.integer("input_dim"), keys.integer("output_dim")
    part = Part(ENCODER)
    part.linear(CONVOLUTION, d, inputs)
    block = part.repeated(layers)
    block.feed_forward(d, ffn, times=2)
    block.linear("self-attention", heads * head, d, bias=False, times=3)
    block.linear("self-attention", d, heads * head)
    block.tensor("positions", 2 * keys.integer("max_pos_emb") + 1, head)
    block.conv("convolution module", 2 * inner, d, 1)
    block.conv("convolution module", inner, 1, keys.integer("conv_kernel_size"), bias=False)
    block.layer_norm("convolution module", inner)
    block.conv("convolution module", d, inner, 1)
    block.layer_norm("norms", d, times=5)
    part.linear("CTC self-conditioning", outputs, d)
    part.linear("CTC self-conditioning", d, outputs)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=max(ffn, 3 * inner),
        attention=heads * head,
        mel_bands=inputs // 2,  # two frames side by side are one input
        conv_floats=0,
        frames=lambda count: count // 2,
    )


def gemma3n(keys: Section) -> AudioEncoder:
    """Gemma3nAudioEncoder: the Universal Speech Model's Conformer."""
    d, layers = keys.integer("hidden_size"), keys.integer("conf_num_hidden_layers")
    heads, mels = keys.integer("conf_num_attention_heads"), keys.integer("input_feat_size")
    channels = keys.integers("sscp_conv_channel_size", count=2)
    part = Part(ENCODER)
    bins, floats, inputs = mels, 0.0, 1
    for stage, out in enumerate(channels):
        bins = (bins - 1) // 2 + 1
        part.conv(CONVOLUTION, out, inputs, 3, 3, bias=False)
        part.rms_norm(CONVOLUTION, out)
        floats += out * bins / 2 ** (stage + 1)
        inputs = out
    part.linear(CONVOLUTION, d, inputs * bins, bias=False)
    block = part.repeated(layers)
    block.feed_forward(d, 4 * d, bias=False, times=2)
    block.linear("self-attention", d, d, bias=False, times=4)
    block.linear("positions", d, d, bias=False)
    block.tensor("self-attention", d // heads)
    block.linear("convolution module", 2 * d, d, bias=False)
    block.conv("convolution module", d, 1, keys.integer("conf_conv_kernel_size"), bias=False)
    block.linear("convolution module", d, d, bias=False)
    block.rms_norm("norms", d, times=9)
    reduction = keys.integer("conf_reduction_factor")
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=4 * d,
        mel_bands=mels,
        conv_floats=floats,
        frames=lambda count: math.ceil(_halved(2)(count) / reduction),
    )


def _depthwise_subsampling(part: Part, d: int, mels: int, channels: int, stages: int) -> float:
    """NeMo's `dw_striding`, a stage for each factor of two; returns the floats of a frame."""
    bins, floats = mels, 0.0
    for stage in range(stages):
        bins = (bins + 1) // 2
        part.conv(CONVOLUTION, channels, 1, 3, 3)
        if stage:
            part.conv(CONVOLUTION, channels, channels, 1, 1)
        floats += channels * bins / 2 ** (stage + 1)
    part.linear(CONVOLUTION, d, channels * bins)
    return floats


def phi4_multimodal(keys: Section) -> AudioEncoder:
    """Phi4MultimodalAudioModel: a Conformer with Swish-gated feed-forward modules."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_blocks")
    ffn, heads = keys.integer("intermediate_size"), keys.integer("num_attention_heads")
    mels, channels = keys.integer("input_size"), keys.integer("nemo_conv_channels")
    stages = keys.integer("time_reduction").bit_length() - 1
    part = Part(ENCODER)
    floats = _depthwise_subsampling(part, d, mels, channels, stages)
    distances = keys.integer("bias_max_distance")
    symmetric = keys.flag("bias_symmetric", default=False)
    part.tensor("positions", distances if symmetric else 2 * distances, heads)
    _phi4_blocks(part.repeated(layers), keys, d, ffn)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=2 * ffn,
        mel_bands=mels,
        conv_floats=floats,
        frames=_halved(stages),
    )


def _phi4_blocks(block: Part, keys: Section, d: int, ffn: int) -> None:
    depthwise = d * keys.integer("depthwise_multiplier")
    separable = keys.integer("depthwise_separable_out_channel")
    pointwise = keys.integer("ext_pw_out_channel")
    for _ in range(2):
        block.linear("feed-forward", 2 * ffn, d)
        block.linear("feed-forward", d, ffn)
    block.linear("self-attention", d, d, times=4)
    block.tensor("convolution module", pointwise, times=2)  # two biases of the gate
    block.conv("convolution module", 2 * pointwise, d, 1)
    block.conv("convolution module", depthwise, 1, keys.integer("kernel_size"))
    block.conv("convolution module", separable, depthwise, 1)
    block.conv("convolution module", pointwise, separable, 1)
    block.layer_norm("norms", d, times=5)


def dasheng(keys: Section) -> AudioEncoder:
    """DashengAudioTransformer of vLLM's MiDashengLM: a vision transformer on mel patches."""
    d, layers = keys.integer("embed_dim"), keys.integer("depth")
    mels = keys.integer("n_mels")
    height, step = keys.integers("patch_size", count=2)
    length = keys.integer("target_length")
    ffn = int(d * keys.number("mlp_ratio"))
    part = Part(ENCODER)
    part.layer_norm("input norm", mels)
    part.conv(CONVOLUTION, d, keys.integer("input_channels"), height, step)
    part.tensor("positions", 1, d, 1, length // step)
    part.tensor("positions", 1, d, mels // height, 1)
    block = part.repeated(layers)
    block.linear("self-attention", 3 * d, d, bias=keys.flag("qkv_bias"))
    block.linear("self-attention", d, d)
    block.feed_forward(d, ffn)
    block.layer_norm("norms", d, times=2)
    part.layer_norm("final norm", d)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=ffn,
        mel_bands=mels,
        conv_floats=d * (mels // height) / step,
        frames=lambda count: count // step * (mels // height),
    )


def parakeet(keys: Section) -> AudioEncoder:
    """ParakeetEncoder: NeMo's FastConformer."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    heads, ffn = keys.integer("num_attention_heads"), keys.integer("intermediate_size")
    mels, channels = keys.integer("num_mel_bins"), keys.integer("subsampling_conv_channels")
    stages = keys.integer("subsampling_factor").bit_length() - 1
    bias = keys.flag("attention_bias", default=True)
    conv_bias = keys.flag("convolution_bias", default=True)
    part = Part(ENCODER)
    floats = _depthwise_subsampling(part, d, mels, channels, stages)
    block = part.repeated(layers)
    block.feed_forward(d, ffn, bias=bias, times=2)
    block.linear("self-attention", d, d, bias=bias, times=4)
    block.linear("positions", d, d, bias=False)
    block.tensor("positions", heads, d // heads, times=2)
    block.conv("convolution module", 2 * d, d, 1, bias=conv_bias)
    kernel = keys.integer("conv_kernel_size")
    block.conv("convolution module", d, 1, kernel, bias=conv_bias)
    block.layer_norm("convolution module", d)
    block.conv("convolution module", d, d, 1, bias=conv_bias)
    block.layer_norm("norms", d, times=5)
    return AudioEncoder(
        weights=part.weights,
        layers=layers,
        d_model=d,
        inner=ffn,
        mel_bands=mels,
        conv_floats=floats,
        frames=_halved(stages),
    )
