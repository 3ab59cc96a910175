"""The sizes of a NeMo Conformer or FastConformer, and the keys that a model file has them under.

`nemo_config.py` and `transformers_config.py` make them from a configuration; everything after that
reads only these.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from parrotlet.architectures import features
from parrotlet.architectures.conformer import transducer
from parrotlet.architectures.conformer.transducer import Transducer
from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import (
    LAYERS,
    SIZE,
    Check,
    Key,
    distinct,
    flattened,
    one_of,
    paired,
    part,
    read,
)
from parrotlet.architectures.tensors import CTC_HEAD

REGULAR = "regular"
"""The attention style of models whose frames see a context on either side."""

CHUNKED = "chunked_limited"
"""The attention style of models that stream."""

GLOBAL_TOKEN = "global_token"
"""As REGULAR, but every frame sees the first one, and the first sees every frame."""

MAX_CONTEXT = 10_000
"""Most frames of a limited attention context; NeMo's own stand-in for no limit in streams."""

Context = tuple[int, int]
"""(left, right) in encoder frames, -1 for no limit."""


@dataclass(frozen=True)
class Subsampling:
    """ConvSubsampling. `kind` "dw_striding"|"striding"; `factor` a power of two."""

    kind: str
    factor: int
    channels: int
    causal: bool

    @property
    def stages(self) -> int:
        """Number of stride-2 convolutions."""
        return self.factor.bit_length() - 1

    @property
    def separable(self) -> bool:
        """Whether stages after the first are a depthwise and a pointwise convolution."""
        return self.kind == "dw_striding"

    def halved(self, length: int) -> int:
        """Frames or frequency bins that one stage leaves of `length`: a 3-wide stride-2
        convolution pads one on either side, or two and one when causal."""
        padding = 3 if self.causal else 2
        return (length + padding - 3) // 2 + 1

    def lengths(self, length: int) -> list[int]:
        """Frames or frequency bins before the first stage and after each."""
        found = [length]
        for _ in range(self.stages):
            found.append(self.halved(found[-1]))
        return found

    def bins(self, mel_bands: int) -> int:
        """Frequency bins left of `mel_bands`."""
        return self.lengths(mel_bands)[-1]


@dataclass(frozen=True)
class Encoder:
    """ConformerEncoder. Contexts are (left, right) in encoder frames, -1 for no limit, the default
    first; `conv_context` is resolved to (left, right) with left + right + 1 = conv_kernel."""

    layers: int
    d_model: int
    d_ff: int
    heads: int
    use_bias: bool
    xscaling: bool
    attention_style: str
    attention_contexts: tuple[Context, ...]
    conv_kernel: int
    conv_context: tuple[int, int]
    conv_norm: str
    subsampling: Subsampling

    @property
    def chunked(self) -> bool:
        """Whether frames see chunks, so that what a frame sees is bounded."""
        return self.attention_style == CHUNKED

    def farthest(self, context: Context, frames: int) -> Context:
        """The most that a frame of `frames` sees before itself and after itself."""
        left, right = context
        ahead = frames - 1 if right < 0 else min(right, frames - 1)
        if left >= 0 and right >= 0 and self.chunked:
            left = left // (right + 1) * (right + 1) + right
        return (frames - 1 if left < 0 else min(left, frames - 1)), ahead

    def visible_pairs(self, context: Context, frames: int) -> int:
        """Pairs of a frame and one that it sees, as NeMo's ConformerEncoder._create_masks has it.

        In chunks, a frame sees its own of right + 1 frames and the left / (right + 1) before.
        """
        left, right = context
        query = np.arange(frames)
        begin = query - left if left >= 0 else np.zeros_like(query)
        end = query + right + 1 if right >= 0 else np.full_like(query, frames)
        if self.chunked and right >= 0:
            chunk = right + 1
            first = query // chunk * chunk
            begin = first - left // chunk * chunk if left >= 0 else np.zeros_like(query)
            end = first + chunk
        return int((end.clip(max=frames) - begin.clip(min=0)).sum())


@dataclass(frozen=True)
class Conformer:
    """A whole model. `ctc_module` is the state dict's name of the CTC head, if there is one;
    `vocab` counts the tokens without the blank."""

    architecture: ClassVar[str] = "conformer"
    format_version: ClassVar[int] = 1

    nemo_class: str
    features: Features
    encoder: Encoder
    transducer: Transducer | None
    ctc_module: str | None
    vocab: int

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads by name, the default one first."""
        transducer = ("tdt" if self.transducer.durations else "rnnt",) if self.transducer else ()
        return transducer + (("ctc",) if self.ctc_module else ())

    @property
    def d_model(self) -> int:
        """Width of the encoder's frames."""
        return self.encoder.d_model

    @property
    def subsampling_factor(self) -> int:
        """Frames of features to one of the encoder."""
        return self.encoder.subsampling.factor

    @property
    def chunked(self) -> bool:
        """Whether there are right contexts to choose from."""
        return self.encoder.chunked

    @property
    def recurrent(self) -> bool:
        """Whether frames depend on none after them."""
        return False

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Attention contexts, the default first."""
        return self.encoder.attention_contexts

    @property
    def durations(self) -> tuple[int, ...]:
        """TDT durations in encoder frames."""
        return self.transducer.durations if self.transducer else ()

    @property
    def max_symbols(self) -> int:
        """Tokens of a transducer per frame at most, 0 for no limit."""
        return self.transducer.max_symbols if self.transducer else 0

    @property
    def can_stream(self) -> bool:
        """Whether the runtime streams the model."""
        return self.chunked and not self.features.whole_recording

    @property
    def streaming_obstacle(self) -> str:
        """Why the model does not stream if it cannot, and what to do: "it ..."."""
        reason = "attends to the whole recording"
        if self.chunked:
            reason = "normalises its features over the whole recording"
        return (
            f"{reason} and cannot stream; use transcribe, or a checkpoint trained for cache-aware "
            "streaming, such as nvidia/nemotron-speech-streaming-en-0.6b"
        )

    @property
    def attention_window_obstacle(self) -> str:
        """Why frames cannot be made to see a window only: "it ..."; empty if they can."""
        if self.encoder.attention_style == REGULAR:
            return ""
        if self.encoder.attention_style == GLOBAL_TOKEN:
            return "has a global token, for which its own attention window was trained"
        return "was trained for chunks of attention"


# Metadata -----------------------------------------------------------------------------------


_PAIRS = Check(
    lambda values: (
        len(values) > 0
        and len(values) % 2 == 0
        and all(-1 <= frames <= MAX_CONTEXT for frames in values)
    ),
    f"(left, right) pairs, expected -1 to {MAX_CONTEXT} frames",
)
_TWO = Check(
    lambda values: len(values) == 2 and min(values) >= 0, "two whole numbers of frames from 0 up"
)
_FACTORS = Check(lambda factor: factor in (2, 4, 8, 16, 32, 64), "a power of two from 2 to 64")
# A BatchNorm is folded into its convolution, with statistics or without.
_FOLDED, _LAYER_NORM = "folded", "layer_norm"

KEYS = (
    Key("format_version", "u32", "format_version", default=Conformer.format_version),
    Key("nemo_class", "str", "nemo_class"),
    *features.KEYS,
    Key("block_count", "u32", "encoder.layers", LAYERS),
    Key("embedding_length", "u32", "encoder.d_model", SIZE),
    Key("feed_forward_length", "u32", "encoder.d_ff", SIZE),
    Key("attention.head_count", "u32", "encoder.heads", SIZE),
    Key(
        "attention.style", "str", "encoder.attention_style", one_of(REGULAR, CHUNKED, GLOBAL_TOKEN)
    ),
    Key(
        "attention.contexts",
        "i32[]",
        "encoder.attention_contexts",
        _PAIRS,
        encode=flattened,
        decode=paired,
    ),
    Key("xscaling", "bool", "encoder.xscaling"),
    Key("conv.kernel_size", "u32", "encoder.conv_kernel", SIZE),
    Key("conv.context", "i32[]", "encoder.conv_context", _TWO),
    Key(
        "conv.norm",
        "str",
        "encoder.conv_norm",
        one_of(_FOLDED, _LAYER_NORM),
        encode=lambda norm: _LAYER_NORM if norm == _LAYER_NORM else _FOLDED,
        decode=lambda norm: "batch_norm" if norm == _FOLDED else norm,
    ),
    Key("subsampling.type", "str", "encoder.subsampling.kind", one_of("dw_striding", "striding")),
    Key("subsampling.factor", "u32", "encoder.subsampling.factor", _FACTORS),
    Key("subsampling.channels", "u32", "encoder.subsampling.channels", SIZE),
    Key("subsampling.causal", "bool", "encoder.subsampling.causal"),
    Key("heads", "str[]", "heads", distinct(("ctc", "rnnt", "tdt"))),
    Key("vocab_size", "u32", "vocab", SIZE),
    *transducer.KEYS,
)
"""Every key of a Conformer file, in the order in which they are written."""


def read_sizes(keys: GgufKeys, tensors: Collection[str]) -> Conformer:
    """The sizes of the model in a file that has these `tensors`, which tell biases alone.

    Raises ModelFileError for a key that is missing or makes no sense.
    """
    values = read(keys, KEYS)
    kernel, context = values["encoder.conv_kernel"], values["encoder.conv_context"]
    if sum(context) + 1 != kernel:
        raise keys.wrong("conv.context", context, f"frames that make {kernel} with one more")
    if values["encoder.d_model"] % values["encoder.heads"]:
        raise keys.wrong("attention.head_count", values["encoder.heads"], "a divisor of the width")
    subsampling = Subsampling(**part(values, "encoder.subsampling"))
    encoder = Encoder(
        **part(values, "encoder"),
        subsampling=subsampling,
        use_bias="encoder.layers.0.self_attn.linear_q.bias" in tensors,
    )
    return Conformer(
        nemo_class=values["nemo_class"],
        features=Features(**part(values, "features")),
        encoder=encoder,
        transducer=transducer.read_transducer(values),
        ctc_module=CTC_HEAD if "ctc" in values["heads"] else None,
        vocab=values["vocab"],
    )
