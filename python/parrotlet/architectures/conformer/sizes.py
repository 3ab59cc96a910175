"""The sizes of a NeMo Conformer or FastConformer, and the keys that a model file has them under.

`nemo_config.py` and `transformers_config.py` make them from a configuration; everything after that
reads only these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from parrotlet.architectures import features
from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import (
    LAYERS,
    SIZE,
    Check,
    Key,
    Values,
    at_least,
    between,
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

RNNT, HAT = "rnnt", "hat"
"""The kinds of joint."""

MAX_TOKENS_SEEN = 64
"""Most tokens that a stateless predictor looks back; NeMo recommends 2."""

OUTPUT_LAYER = 2
"""The index that a model file gives the joint's output layer."""

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
class LstmPredictor:
    """RNNTDecoder: an embedding and layers of an LSTM, all of width `hidden`."""

    kind: ClassVar[str] = "lstm"

    hidden: int
    layers: int


@dataclass(frozen=True)
class StatelessPredictor:
    """StatelessTransducerDecoder: embeddings of the last `context` tokens side by side, `hidden`
    values in all, with a LayerNorm without weights over them where `layer_norm`."""

    kind: ClassVar[str] = "stateless"

    hidden: int
    context: int
    layer_norm: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of the embedding of each token, the last token first (StatelessNet)."""
        narrow = self.hidden // 2 // self.context
        return (self.hidden - narrow * (self.context - 1), *(narrow,) * (self.context - 1))


@dataclass(frozen=True)
class Transducer:
    """The prediction network and the joint. `durations` is empty for RNNT; `max_symbols` 0 is no
    limit; `output_layer` is the index of the last linear layer in `joint_net`. `joint` is RNNT for
    a RNNTJoint, HAT for a HATJoint. `big_blanks` are the frames that each blank beside the usual
    one stands for, in multi-blank RNNT."""

    predictor: LstmPredictor | StatelessPredictor
    joint_hidden: int
    activation: str
    output_layer: int
    durations: tuple[int, ...]
    max_symbols: int
    joint: str = RNNT
    big_blanks: tuple[int, ...] = ()


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


def _has_transducer(values: Values) -> bool:
    return bool(set(values["heads"]) - {"ctc"})


def _has_durations(values: Values) -> bool:
    return "tdt" in values["heads"]


def _predictor_is(kind: str) -> Callable[[Values], bool]:
    return lambda values: _has_transducer(values) and values["transducer.predictor.kind"] == kind


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
_DURATIONS = Check(lambda values: len(values) > 0 and min(values) >= 0, "frames from 0 up")
_BLANKS = Check(lambda values: min(values, default=1) >= 1, "frames from 1 up")

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
    Key(
        "predictor.type",
        "str",
        "transducer.predictor.kind",
        one_of(LstmPredictor.kind, StatelessPredictor.kind),
        default=LstmPredictor.kind,
        when=_has_transducer,
    ),
    Key("predictor.hidden", "u32", "transducer.predictor.hidden", SIZE, when=_has_transducer),
    Key(
        "predictor.layers",
        "u32",
        "transducer.predictor.layers",
        LAYERS,
        when=_predictor_is(LstmPredictor.kind),
    ),
    Key(
        "predictor.context",
        "u32",
        "transducer.predictor.context",
        between(1, MAX_TOKENS_SEEN, "tokens"),
        when=_predictor_is(StatelessPredictor.kind),
    ),
    Key(
        "predictor.layer_norm",
        "bool",
        "transducer.predictor.layer_norm",
        when=_predictor_is(StatelessPredictor.kind),
    ),
    Key(
        "joint.type",
        "str",
        "transducer.joint",
        one_of(RNNT, HAT),
        default=RNNT,
        when=_has_transducer,
    ),
    Key("joint.hidden", "u32", "transducer.joint_hidden", SIZE, when=_has_transducer),
    Key("joint.activation", "str", "transducer.activation", when=_has_transducer),
    Key(
        "transducer.max_symbols",
        "u32",
        "transducer.max_symbols",
        at_least(0),
        when=_has_transducer,
    ),
    Key(
        "transducer.big_blanks",
        "i32[]",
        "transducer.big_blanks",
        _BLANKS,
        default=(),
        when=_has_transducer,
    ),
    Key("tdt.durations", "i32[]", "transducer.durations", _DURATIONS, when=_has_durations),
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
    transducer = None
    if _has_transducer(values):
        settings = part(values, "transducer")
        durations = settings.pop("durations") or ()
        transducer = Transducer(
            **settings,
            predictor=_predictor(part(values, "transducer.predictor")),
            durations=durations,
            output_layer=OUTPUT_LAYER,
        )
    return Conformer(
        nemo_class=values["nemo_class"],
        features=Features(**part(values, "features")),
        encoder=encoder,
        transducer=transducer,
        ctc_module=CTC_HEAD if "ctc" in values["heads"] else None,
        vocab=values["vocab"],
    )


def _predictor(found: dict[str, Any]) -> LstmPredictor | StatelessPredictor:
    if found["kind"] == StatelessPredictor.kind:
        return StatelessPredictor(found["hidden"], found["context"], found["layer_norm"])
    return LstmPredictor(found["hidden"], found["layers"])
