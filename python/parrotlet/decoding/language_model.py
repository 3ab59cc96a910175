"""An n-gram language model over a model's tokens, in a file."""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from parrotlet import _core
from parrotlet.errors import LanguageModelError

_CHUNK = 1 << 20
_HEADER = 4096
"""Bytes that hold the counts of any order."""

_GZIP = b"\x1f\x8b"
_BEGINNINGS = (b"\\data\\", _GZIP)


@dataclass(frozen=True)
class LanguageModel:
    """An ARPA file over tokens, as NeMo and `parrotlet lm` write it, or such a file in gzip.

    It is read when it is first used, once for each size of vocabulary, and then kept in memory.
    """

    path: str | os.PathLike[str]
    _read: dict[int, _core.decoding.NgramModel] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Keep the path as text, so that equal ones are equal however they were given."""
        object.__setattr__(self, "path", os.fspath(self.path))

    def __reduce__(self) -> tuple[type[LanguageModel], tuple[str]]:
        """Pickle the path: the file is read again where it is needed."""
        return type(self), (os.fspath(self.path),)

    def scorer(
        self, vocab_size: int, progress: Callable[[int, int], None] | None = None
    ) -> _core.decoding.NgramModel:
        """Return the model for a vocabulary of `vocab_size` tokens, without the blank.

        `progress(n-grams read, n-grams in all)` is called as the file is read. Raises
        LanguageModelError for a file that is missing, damaged, or made for another vocabulary.
        """
        with self._lock:
            if vocab_size not in self._read:
                self._read[vocab_size] = read_arpa(self.path, vocab_size, progress)
            return self._read[vocab_size]


@dataclass(frozen=True)
class Outline:
    """What the header of an ARPA file promises.

    `counts` are n-grams by order from 1 up, `n_bytes` is the memory of the model, nearly.
    """

    counts: tuple[int, ...]
    n_bytes: int


def is_language_model(start: bytes) -> bool:
    """Whether a file that begins with `start` is ARPA text, or in gzip, as models never are."""
    return start.startswith(_BEGINNINGS)


def read_outline(path: str | os.PathLike[str]) -> Outline:
    """Read the header of an ARPA file; raises LanguageModelError for a file that has none."""
    name = os.fspath(path)
    reader = _core.decoding.ArpaReader(name, _core.decoding.MAX_VOCABULARY)
    with _opened(name) as file:
        reader.feed(file.read(_HEADER))
    if not reader.counts:
        raise LanguageModelError(f"{name}: counts no n-grams; give a language model in ARPA format")
    return Outline(tuple(reader.counts), reader.model_bytes)


def read_arpa(
    path: str | os.PathLike[str],
    vocab_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> _core.decoding.NgramModel:
    """Read an ARPA file, plain or in gzip; see `LanguageModel.scorer`."""
    name = os.fspath(path)
    reader = _core.decoding.ArpaReader(name, vocab_size)
    with _opened(name) as file:
        while chunk := file.read(_CHUNK):
            reader.feed(chunk)
            if progress is not None:
                progress(reader.ngrams_read, reader.ngrams_promised)
        return reader.finish()


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked; what fails while it is open is a LanguageModelError."""
    if Path(name).exists() and not Path(name).is_file():
        raise LanguageModelError(
            f"{name}: is no regular file; give a language model in ARPA format"
        )
    try:
        with Path(name).open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if not packed:
                yield file
                return
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]  # a GzipFile reads bytes as any file does
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LanguageModelError(
            f"{name}: is damaged or cut ({error}); copy or make it again"
        ) from error
    except OSError as error:
        raise LanguageModelError(
            f"{name}: cannot be read ({error.strerror or error}); check the path"
        ) from error
