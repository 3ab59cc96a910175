"""What the Python side needs to know of a model, read from the metadata of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from parrotlet.decoding.tokenizer import Tokenizer, tokenizer_from_metadata
from parrotlet.errors import ModelFileError

HEADS = ("ctc", "rnnt", "tdt")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Settings of one model; `docs/format.md` describes the keys they come from."""

    name: str
    sample_rate: int
    hop_length: int
    mel_bands: int
    d_model: int
    subsampling: int
    heads: tuple[str, ...]
    chunked: bool
    contexts: tuple[tuple[int, int], ...]
    durations: tuple[int, ...]
    max_symbols: int
    tokenizer: Tokenizer

    @property
    def frame_seconds(self) -> float:
        """Distance of encoder frames in seconds."""
        return self.subsampling * self.hop_length / self.sample_rate

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], path: Path) -> ModelConfig:
        """Read the settings; raises ModelFileError for what is missing or makes no sense."""
        keys = _Keys(metadata, path)
        style = keys.get("attention.style", str)
        contexts = keys.numbers("attention.contexts")
        heads = tuple(keys.get("heads", list))
        if not heads or len(set(heads)) != len(heads) or not set(heads) <= set(HEADS):
            raise keys.error("heads", f"lists {heads}; expected some of {', '.join(HEADS)}")
        if not contexts or len(contexts) % 2:
            raise keys.error("attention.contexts", "does not list (left, right) pairs")
        durations = keys.numbers("tdt.durations") if "tdt" in heads else ()
        if "tdt" in heads and (not durations or min(durations) < 0):
            raise keys.error("tdt.durations", f"is {durations}; expected frames from 0 up")
        tokenizer = tokenizer_from_metadata(metadata, str(path))
        if len(tokenizer.pieces) != keys.positive("vocab_size"):
            raise keys.error("vocab_size", f"is not that of the {len(tokenizer.pieces)} tokens")
        transducer = set(heads) - {"ctc"}
        return cls(
            name=str(metadata.get("general.name") or path.stem),
            sample_rate=keys.positive("features.sample_rate"),
            hop_length=keys.positive("features.hop_length"),
            mel_bands=keys.positive("features.mel_bands"),
            d_model=keys.positive("embedding_length"),
            subsampling=keys.positive("subsampling.factor"),
            heads=heads,
            chunked=style == "chunked_limited",
            contexts=tuple(zip(contexts[::2], contexts[1::2], strict=True)),
            durations=durations,
            max_symbols=keys.get("transducer.max_symbols", int) if transducer else 0,
            tokenizer=tokenizer,
        )


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

    def numbers(self, key: str) -> tuple[int, ...]:
        values = self.get(key, list)
        if not all(isinstance(value, int) for value in values):
            raise self.error(key, "does not list whole numbers")
        return tuple(values)
