"""The transducer of a NeMo model, and the keys that a model file has it under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from parrotlet.architectures.metadata import (
    LAYERS,
    SIZE,
    Check,
    Key,
    Values,
    at_least,
    between,
    one_of,
    part,
)

RNNT, HAT = "rnnt", "hat"
"""The kinds of joint."""

MAX_TOKENS_SEEN = 64
"""Most tokens that a stateless predictor looks back; NeMo recommends 2."""

OUTPUT_LAYER = 2
"""The index that a model file gives the joint's output layer."""


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


# Metadata -----------------------------------------------------------------------------------


def _has_transducer(values: Values) -> bool:
    return bool(set(values["heads"]) - {"ctc"})


def _has_durations(values: Values) -> bool:
    return "tdt" in values["heads"]


def _predictor_is(kind: str) -> Callable[[Values], bool]:
    return lambda values: _has_transducer(values) and values["transducer.predictor.kind"] == kind


_DURATIONS = Check(lambda values: len(values) > 0 and min(values) >= 0, "frames from 0 up")
_BLANKS = Check(lambda values: min(values, default=1) >= 1, "frames from 1 up")

KEYS = (
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
"""Every key of a transducer; they follow that of the heads."""


def read_transducer(values: Values) -> Transducer | None:
    """The transducer of what `KEYS` read, if the heads name one."""
    if not _has_transducer(values):
        return None
    settings = part(values, "transducer")
    durations = settings.pop("durations") or ()
    return Transducer(
        **settings,
        predictor=_predictor(part(values, "transducer.predictor")),
        durations=durations,
        output_layer=OUTPUT_LAYER,
    )


def _predictor(found: dict[str, Any]) -> LstmPredictor | StatelessPredictor:
    if found["kind"] == StatelessPredictor.kind:
        return StatelessPredictor(found["hidden"], found["context"], found["layer_norm"])
    return LstmPredictor(found["hidden"], found["layers"])
