"""From the encoder's frames to the decoder's inputs: tensors, and frames that become one input."""

from __future__ import annotations

from dataclasses import dataclass

from parrotlet.architectures.keys import Section
from parrotlet.memory.weights import Part, Weight

PROJECTOR = "projector"


@dataclass(frozen=True)
class Projector:
    """A projector; `stack` frames of the encoder become one position of the decoder."""

    weights: list[Weight]
    stack: int = 1


def linear(inputs: int, out: int, stack: int = 1, *, bias: bool = True) -> Projector:
    """One matrix."""
    part = Part(PROJECTOR)
    part.linear("linear", out, inputs, bias=bias)
    return Projector(part.weights, stack)


def two_layers(
    inputs: int, inner: int, out: int, stack: int = 1, *, bias: bool = True
) -> Projector:
    """Two matrices with an activation between them."""
    part = Part(PROJECTOR)
    part.linear("linear", inner, inputs, bias=bias)
    part.linear("linear", out, inner, bias=bias)
    return Projector(part.weights, stack)


def stacked(keys: Section, audio_width: int, text_width: int) -> Projector:
    """UltravoxProjector: `stack_factor` frames side by side, RMSNorm, a matrix to `hidden_size`,
    an activation that halves it if it is SwiGLU, and a matrix to the decoder's width."""
    stack = keys.integer("stack_factor", default=1)
    hidden = keys.integer("hidden_size")
    swiglu = keys.text("projector_act", default="swiglu") == "swiglu"
    inner = hidden // 2 if swiglu else hidden
    part = Part(PROJECTOR)
    part.rms_norm("norms", audio_width * stack)
    part.linear("SwiGLU" if swiglu else "linear", hidden, audio_width * stack, bias=False)
    part.linear("linear", text_width, inner, bias=False)
    # Versions before 0.5 have their second norm after the last matrix.
    middle = keys.flag("projector_ln_mid", default=False)
    part.rms_norm("norms", inner if middle else text_width)
    return Projector(part.weights, stack)


def q_former(keys: Section, text_width: int, window: int, rate: int) -> Projector:
    """GraniteSpeechEncoderProjector: BLIP-2's Q-Former on windows of frames."""
    d, layers = keys.integer("hidden_size"), keys.integer("num_hidden_layers")
    ffn, inputs = keys.integer("intermediate_size"), keys.integer("encoder_hidden_size")
    every = keys.integer("cross_attention_frequency")
    part = Part(PROJECTOR)
    part.tensor("queries", 1, window // rate, d)
    part.layer_norm("input norm", d)
    block = part.repeated(layers)
    block.linear("self-attention", d, d, times=4)
    block.feed_forward(d, ffn)
    block.layer_norm("norms", d, times=2)
    crossing = part.repeated(-(-layers // every))
    crossing.linear("cross-attention", d, d, times=2)
    crossing.linear("cross-attention", d, inputs, times=2)
    crossing.layer_norm("cross-attention", d)
    part.linear("linear", text_width, d)
    return Projector(part.weights, rate)


def gemma3n(keys: Section, text_width: int) -> Projector:
    """Gemma3nMultimodalEmbedder."""
    part = Part(PROJECTOR)
    embed_multimodal(part, keys, text_width)
    return Projector(part.weights)


def embed_multimodal(part: Part, keys: Section, text_width: int) -> None:
    """The tensors of a Gemma3nMultimodalEmbedder."""
    d = keys.integer("hidden_size")
    part.tensor("markers", keys.integer("vocab_size"), d)
    part.rms_norm("norms", d, times=2)
    part.linear("linear", text_width, d, bias=False)


def phi4(audio_width: int, text_width: int) -> Projector:
    """Phi4MultimodalAudioEmbedding: one pair of matrices for speech, one for speech with images."""
    part = Part(PROJECTOR)
    part.linear("linear", text_width, audio_width, times=2)
    part.linear("linear", text_width, text_width, times=2)
    return Projector(part.weights)
