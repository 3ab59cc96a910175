"""The sizes of a NeMo Conformer or FastConformer, and the keys that a model file has them under.

`nemo_config.py` and `transformers_config.py` make them from a configuration; everything after that
reads only these.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from parrotlet.architectures import features, prompt
from parrotlet.architectures.buffering import MAX_CONTEXT, ChunkContexts
from parrotlet.architectures.conformer import transducer
from parrotlet.architectures.conformer.reduction import POOLING, STRIDING, Reduction
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import Transducer
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
from parrotlet.architectures.prompt import Prompt, read_prompt
from parrotlet.architectures.tensors import CTC_HEAD

REGULAR = "regular"
"""The attention style of models whose frames see a context on either side."""

CHUNKED = "chunked_limited"
"""The attention style of models that stream with caches."""

UNIFIED = "chunked_limited_with_rc"
"""The attention style of models that attend to all of a recording, or to chunks with context."""

GLOBAL_TOKEN = "global_token"
"""As REGULAR, but every frame sees the first one, and the first sees every frame."""

Context = tuple[int, int]
"""(left, right) in encoder frames, -1 for no limit."""


@dataclass(frozen=True)
class Encoder:
    """ConformerEncoder. Contexts are (left, right) in encoder frames, -1 for no limit, the default
    first; `conv_context` is resolved to (left, right) with left + right + 1 = conv_kernel.
    `chunk_contexts` are those of buffered streaming, if the model was trained for that."""

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
    chunk_contexts: ChunkContexts | None = None
    reduction: Reduction | None = None

    @property
    def chunked(self) -> bool:
        """Whether frames see chunks, so that what a frame sees is bounded."""
        return self.attention_style == CHUNKED

    def reduced(self, frames: int) -> int:
        """Frames that leave the last block where so many enter the first."""
        return self.reduction.reduced(frames, self.d_model) if self.reduction else frames

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

    nemo_class: str
    features: Features
    encoder: Encoder
    transducer: Transducer | None
    ctc_module: str | None
    vocab: int
    prompt: Prompt | None = None

    @property
    def format_version(self) -> int:
        """The version of the file's keys and tensors: the first that has all of the model."""
        return 2 if self.prompt else 1

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
        reduction = self.encoder.reduction
        return self.encoder.subsampling.factor * (reduction.factor if reduction else 1)

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
    def chunk_contexts(self) -> ChunkContexts | None:
        """Contexts of buffered streaming that the model was trained with."""
        return self.encoder.chunk_contexts

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
        """Whether the runtime streams the model, with caches or with a buffer."""
        cached = self.chunked and not (self.features.whole_recording or self.encoder.reduction)
        return cached or self.chunk_contexts is not None

    @property
    def streaming_obstacle(self) -> str:
        """Why the model does not stream if it cannot, and what to do: "it ..."."""
        trained = "a checkpoint trained for streaming, such as "
        trained += "nvidia/nemotron-speech-streaming-en-0.6b or nvidia/parakeet-unified-en-0.6b"
        if not self.chunked:
            return (
                "attends to the whole recording and was not trained to stream; use transcribe, "
                f"name a chunk_size for buffered streaming, or take {trained}"
            )
        reason = "reduces its frames between two blocks"
        if self.features.whole_recording:
            reason = "normalises its features over the whole recording"
        return f"{reason} and cannot stream; use transcribe, or {trained}"

    @property
    def attention_window_obstacle(self) -> str:
        """Why frames cannot be made to see a window only: "it ..."; empty if they can."""
        if self.encoder.attention_style == REGULAR:
            return ""
        if self.encoder.attention_style == GLOBAL_TOKEN:
            return "has a global token, for which its own attention window was trained"
        return "was trained for chunks of attention"


# Metadata -----------------------------------------------------------------------------------


def _is_unified(values: Values) -> bool:
    return bool(values["encoder.attention_style"] == UNIFIED)


def _has_reduction(values: Values) -> bool:
    return bool(values["encoder.reduction.kind"])


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
_FRAMES = Check(
    lambda values: len(values) > 0 and all(0 <= n <= MAX_CONTEXT for n in values),
    f"0 to {MAX_CONTEXT} frames",
)
_CHUNKS = Check(
    lambda values: len(values) > 0 and all(1 <= n <= MAX_CONTEXT for n in values),
    f"1 to {MAX_CONTEXT} frames",
)
# A BatchNorm is folded into its convolution, with statistics or without.
_FOLDED, _LAYER_NORM = "folded", "layer_norm"

KEYS = (
    Key("format_version", "u32", "format_version", default=1),
    Key("nemo_class", "str", "nemo_class"),
    *features.KEYS,
    Key("block_count", "u32", "encoder.layers", LAYERS),
    Key("embedding_length", "u32", "encoder.d_model", SIZE),
    Key("feed_forward_length", "u32", "encoder.d_ff", SIZE),
    Key("attention.head_count", "u32", "encoder.heads", SIZE),
    Key(
        "attention.style",
        "str",
        "encoder.attention_style",
        one_of(REGULAR, GLOBAL_TOKEN, CHUNKED, UNIFIED),
    ),
    Key(
        "attention.contexts",
        "i32[]",
        "encoder.attention_contexts",
        _PAIRS,
        encode=flattened,
        decode=paired,
    ),
    *(
        Key(
            f"attention.chunk_contexts.{part}",
            "i32[]",
            f"encoder.chunk_contexts.{part}",
            check,
            default=(),
            when=_is_unified,
        )
        for part, check in (("left", _FRAMES), ("chunk", _CHUNKS), ("right", _FRAMES))
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
    Key(
        "reduction.type",
        "str",
        "encoder.reduction.kind",
        one_of(POOLING, STRIDING),
        default=None,
    ),
    Key(
        "reduction.factor",
        "u32",
        "encoder.reduction.factor",
        between(2, 64, "frames"),
        when=_has_reduction,
    ),
    Key(
        "reduction.position",
        "u32",
        "encoder.reduction.position",
        at_least(0),
        when=_has_reduction,
    ),
    Key("heads", "str[]", "heads", distinct(("ctc", "rnnt", "tdt"))),
    Key("vocab_size", "u32", "vocab", SIZE),
    *transducer.KEYS,
    *prompt.KEYS,
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
    encoder = Encoder(
        **part(values, "encoder"),
        subsampling=Subsampling(**part(values, "encoder.subsampling")),
        chunk_contexts=_chunk_contexts(keys, values),
        reduction=_reduction(keys, values),
        use_bias="encoder.layers.0.self_attn.linear_q.bias" in tensors,
    )
    return Conformer(
        nemo_class=values["nemo_class"],
        features=Features(**part(values, "features")),
        encoder=encoder,
        transducer=transducer.read_transducer(values),
        ctc_module=CTC_HEAD if "ctc" in values["heads"] else None,
        vocab=values["vocab"],
        prompt=read_prompt(values, keys),
    )


def _chunk_contexts(keys: GgufKeys, values: Values) -> ChunkContexts | None:
    lists = part(values, "encoder.chunk_contexts")
    if not any(lists.values()):
        return None
    for name, frames in lists.items():
        if not frames:
            raise keys.wrong(f"attention.chunk_contexts.{name}", frames, "frames, as of the others")
    return ChunkContexts(**lists)


def _reduction(keys: GgufKeys, values: Values) -> Reduction | None:
    if not _has_reduction(values):
        return None
    reduction = Reduction(**part(values, "encoder.reduction"))
    layers = values["encoder.layers"]
    if reduction.position >= layers:
        raise keys.wrong("reduction.position", reduction.position, f"one of {layers} blocks")
    if reduction.kind == STRIDING and reduction.factor & (reduction.factor - 1):
        raise keys.wrong("reduction.factor", reduction.factor, "a power of two")
    return reduction
