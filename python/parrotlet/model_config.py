"""What the Python side needs to know of a model, read from the metadata of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from parrotlet.decoding.tokenizer import Tokenizer, tokenizer_from_metadata
from parrotlet.errors import ModelFileError

HEADS = ("ctc", "rnnt", "tdt")
LMU = "lmu"

SAMPLE_RATES = range(1_000, 1_000_001)
"""Sampling rates in Hz of features that make sense."""

MAX_CONTEXT = 10_000
"""Most frames of a limited attention context; NeMo's own stand-in for no limit in streams."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Settings of one model; `docs/format.md` describes the keys they come from.

    `contexts` are (left, right) in encoder frames, -1 for no limit, the default first. `recurrent`
    says that frames depend on none after them.
    """

    architecture: str
    name: str
    sample_rate: int
    hop_length: int
    mel_bands: int
    d_model: int
    subsampling: int
    heads: tuple[str, ...]
    chunked: bool
    recurrent: bool
    contexts: tuple[tuple[int, int], ...]
    durations: tuple[int, ...]
    max_symbols: int
    tokenizer: Tokenizer
    feed_forward: int = 0
    joint_hidden: int = 0

    @property
    def has_ctc(self) -> bool:
        """Whether there is a CTC head."""
        return "ctc" in self.heads

    @property
    def decoders(self) -> tuple[str, ...]:
        """What the heads are chosen by: "ctc" and "transducer", the default first."""
        return tuple("ctc" if head == "ctc" else "transducer" for head in self.heads)

    @property
    def right_contexts(self) -> tuple[int, ...]:
        """Right attention contexts to choose from, the default first; empty without a choice."""
        return tuple(right for _, right in self.contexts) if self.chunked else ()

    def head(self, decoder: str | None) -> str:
        """Return the head that one of `decoders`, or None, stands for; raises ValueError."""
        if decoder is None:
            return self.heads[0]
        for name, head in zip(self.decoders, self.heads, strict=True):
            if decoder == name:
                return head
        known = " or ".join(f'"{name}"' for name in self.decoders)
        raise ValueError(f"decoder is {decoder!r}; {self.name} has {known}")

    def context(self, right: int | None) -> tuple[int, int]:
        """Return the (left, right) attention context for one of `right_contexts`, or None.

        Raises ValueError for another one.
        """
        if right is None:
            return self.contexts[0]
        if not self.chunked:
            raise ValueError(
                f"right_context is {right!r}, but {self.name} {self.look_ahead}; leave it out"
            )
        for context in self.contexts:
            if type(right) is int and context[1] == right:
                return context
        known = ", ".join(str(value) for value in self.right_contexts)
        raise ValueError(f"right_context is {right!r}; {self.name} was trained for {known}")

    @property
    def frame_seconds(self) -> float:
        """Distance of encoder frames in seconds."""
        return self.subsampling * self.hop_length / self.sample_rate

    @property
    def look_ahead(self) -> str:
        """What the model looks at beyond a frame, where there is no choice: "it ..."."""
        if self.recurrent:
            return "is recurrent and looks at nothing ahead"
        return "attends to the whole recording"

    @property
    def streaming_obstacle(self) -> str:
        """Why a model that cannot stream does not, and what to do: "it ..."."""
        if self.architecture == LMU:
            return (
                "has self-attention, which sees the whole recording, and cannot stream; use "
                "transcribe, or a model trained without it (use_attention: false), which is "
                "recurrent"
            )
        reason = "attends to the whole recording"
        if self.chunked:
            reason = "normalises its features over the whole recording"
        return (
            f"{reason} and cannot stream; use transcribe, or a checkpoint trained for cache-aware "
            "streaming, such as nvidia/nemotron-speech-streaming-en-0.6b"
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], path: Path) -> ModelConfig:
        """Read the settings; raises ModelFileError for what is missing or makes no sense."""
        keys = _Keys(metadata, path)
        architecture = str(metadata.get("general.architecture"))
        recurrent = architecture == LMU and keys.get("attention.head_count", int) == 0
        contexts: tuple[tuple[int, int], ...]
        if architecture == LMU:
            chunked, contexts, subsampling = False, ((-1, 0 if recurrent else -1),), 1
        else:
            chunked = keys.get("attention.style", str) == "chunked_limited"
            contexts = keys.pairs("attention.contexts")
            subsampling = keys.positive("subsampling.factor")
        heads = tuple(keys.get("heads", list))
        if not heads or len(set(heads)) != len(heads) or not set(heads) <= set(HEADS):
            raise keys.error("heads", f"lists {heads}; expected some of {', '.join(HEADS)}")
        durations = keys.numbers("tdt.durations") if "tdt" in heads else ()
        if "tdt" in heads and (not durations or min(durations) < 0):
            raise keys.error("tdt.durations", f"is {durations}; expected frames from 0 up")
        tokenizer = tokenizer_from_metadata(metadata, str(path))
        if len(tokenizer.pieces) != keys.positive("vocab_size"):
            raise keys.error("vocab_size", f"is not that of the {len(tokenizer.pieces)} tokens")
        transducer = set(heads) - {"ctc"}
        return cls(
            architecture=architecture,
            name=str(metadata.get("general.name") or path.stem),
            sample_rate=_sample_rate(keys),
            hop_length=keys.positive("features.hop_length"),
            mel_bands=keys.positive("features.mel_bands"),
            d_model=keys.positive("embedding_length"),
            subsampling=subsampling,
            heads=heads,
            chunked=chunked,
            recurrent=recurrent,
            contexts=contexts,
            durations=durations,
            max_symbols=keys.get("transducer.max_symbols", int) if transducer else 0,
            tokenizer=tokenizer,
            feed_forward=keys.positive_or_0("feed_forward_length"),
            joint_hidden=keys.positive_or_0("joint.hidden"),
        )


def _sample_rate(keys: _Keys) -> int:
    rate = keys.positive("features.sample_rate")
    if rate not in SAMPLE_RATES:
        low, high = SAMPLE_RATES[0], SAMPLE_RATES[-1]
        raise keys.error("features.sample_rate", f"is {rate}; expected {low} to {high} Hz")
    return rate


class _Keys:
    """Typed access to the keys of the architecture."""

    def __init__(self, metadata: Mapping[str, Any], path: Path) -> None:
        self._metadata = metadata
        self._path = path
        self._prefix = f"{metadata.get('general.architecture')}."

    def error(self, key: str, problem: str) -> ModelFileError:
        return ModelFileError(
            f"{self._path}: {self._prefix}{key} {problem}; convert the checkpoint again"
        )

    def get(self, key: str, kind: type[_T]) -> _T:
        value = self._metadata.get(self._prefix + key)
        if not isinstance(value, kind):
            found = "is missing" if value is None else f"is {value!r:.40}"
            raise self.error(key, f"{found}; expected {kind.__name__}")
        return value

    def positive(self, key: str) -> int:
        value = self.get(key, int)
        if value < 1:
            raise self.error(key, f"is {value}; expected a positive number")
        return value

    def positive_or_0(self, key: str) -> int:
        """Only an estimate needs the value; the extension checks it."""
        value = self._metadata.get(self._prefix + key)
        return value if isinstance(value, int) and value > 0 else 0

    def numbers(self, key: str) -> tuple[int, ...]:
        values = self.get(key, list)
        if not all(isinstance(value, int) for value in values):
            raise self.error(key, "does not list whole numbers")
        return tuple(values)

    def pairs(self, key: str) -> tuple[tuple[int, int], ...]:
        values = self.numbers(key)
        if not values or len(values) % 2:
            raise self.error(key, "does not list (left, right) pairs")
        if not all(-1 <= frames <= MAX_CONTEXT for frames in values):
            raise self.error(key, f"is {values!r:.40}; expected -1 to {MAX_CONTEXT} frames")
        return tuple(zip(values[::2], values[1::2], strict=True))
