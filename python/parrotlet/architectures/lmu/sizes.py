"""The sizes of a model of Legendre Memory Units, and the keys that a model file has them under."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from parrotlet.architectures import features
from parrotlet.architectures.family import CtcAlone
from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import GgufKeys
from parrotlet.architectures.metadata import (
    LAYERS,
    SIZE,
    Key,
    at_least,
    distinct,
    one_of,
    part,
    read,
)

LAYER = r"encoder\.lmu_layers\.\d+\."
"""Names of an LMU layer's tensors begin like this."""

BIASES = {
    "attention": r"encoder\.attention_layers\.\d+\.attention\.w_[qkvo]",
    "W_u": LAYER + "W_u",
    "W_h": LAYER + "W_h",
    "input_projection": r"encoder\.input_projection",
    "output_projection": r"encoder\.output_projection",
    "ctc_projection": r"decoder\.ctc_projection",
}
"""Linear layers that may have a bias; "attention" is all four of each layer, or none."""

CELL, FFT = "cell", "fft"
"""Kinds of layers: recurrent, and LMUFFT, which has no recurrent weights."""


@dataclass(frozen=True)
class Lmu(CtcAlone):
    """A whole model.

    `layer` is CELL or FFT; `attention_heads` is 0 without attention. `biases` names those of
    BIASES that have one. `theta`, in frames, is what A and B were computed from, if that is known.
    `vocab` counts the tokens without the blank.
    """

    architecture: ClassVar[str] = "lmu"
    format_version: ClassVar[int] = 1

    features: Features
    layers: int
    d_model: int
    memory: int
    layer: str
    attention_heads: int
    biases: frozenset[str]
    vocab: int
    theta: float | None = None

    @property
    def outputs(self) -> int:
        """Labels of the CTC head: the tokens and the blank."""
        return self.vocab + 1

    @property
    def attention(self) -> bool:
        """Whether there is self-attention before every layer."""
        return self.attention_heads > 0

    @property
    def fft(self) -> bool:
        """Whether layers are LMUFFT."""
        return self.layer == FFT

    @property
    def recurrent(self) -> bool:
        """Whether frames depend on none after them."""
        return not self.attention

    @property
    def contexts(self) -> tuple[tuple[int, int], ...]:
        """The one (left, right) context, -1 for no limit."""
        return ((-1, 0 if self.recurrent else -1),)

    @property
    def can_stream(self) -> bool:
        """Whether the runtime streams the model."""
        return self.recurrent

    @property
    def streaming_obstacle(self) -> str:
        """Why the model does not stream if it cannot, and what to do: "it ..."."""
        return (
            "has self-attention, which sees the whole recording, and cannot stream; use "
            "transcribe, or a model trained without it (use_attention: false), which is recurrent"
        )

    @property
    def attention_window_obstacle(self) -> str:
        """Why frames cannot be made to see a window only: "it ..."."""
        if self.recurrent:
            return "is recurrent and has no attention"
        return "has attention without positions, which no window was tried for"


KEYS = (
    Key("format_version", "u32", "format_version", default=Lmu.format_version),
    *features.KEYS,
    Key("block_count", "u32", "layers", LAYERS),
    Key("embedding_length", "u32", "d_model", SIZE),
    Key("memory_length", "u32", "memory", SIZE),
    Key("layer", "str", "layer", one_of(CELL, FFT)),
    Key("attention.head_count", "u32", "attention_heads", at_least(0)),
    Key("heads", "str[]", "heads", distinct(("ctc",))),
    Key("vocab_size", "u32", "vocab", SIZE),
    Key("theta", "f32", "theta", default=None),
)
"""Every key of an LMU file, in the order in which they are written."""


def any_named(names: Collection[str], pattern: str) -> bool:
    """Whether one of the names of tensors matches."""
    return any(re.fullmatch(pattern, name) for name in names)


def biases(names: Collection[str]) -> frozenset[str]:
    """Those of BIASES that tensors with these names have."""
    return frozenset(
        layer for layer, pattern in BIASES.items() if any_named(names, pattern + r"\.bias")
    )


def read_sizes(keys: GgufKeys, tensors: Collection[str]) -> Lmu:
    """The sizes of the model in a file that has these `tensors`, which tell biases alone.

    Raises ModelFileError for a key that is missing or makes no sense.
    """
    values = read(keys, KEYS)
    heads = values["attention_heads"]
    if heads and values["d_model"] % heads:
        raise keys.wrong("attention.head_count", heads, "a divisor of the width")
    return Lmu(
        features=Features(**part(values, "features")),
        layers=values["layers"],
        d_model=values["d_model"],
        memory=values["memory"],
        layer=values["layer"],
        attention_heads=heads,
        biases=biases(tensors),
        vocab=values["vocab"],
        theta=values["theta"],
    )
