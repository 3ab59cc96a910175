"""Writing a language model as ARPA text, the way NeMo reads it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from parrotlet import _core
from parrotlet.errors import LanguageModelError
from parrotlet.ngrams.kneser_ney import Estimated
from parrotlet.replacing import replaced

_CHUNK = 1 << 16
_NEVER = -99.0
"""ARPA's logarithm for a probability that is not asked for: that of <s>."""


def write_arpa(
    path: Path,
    orders: Sequence[Estimated],
    unknown: float,
    vocab_size: int,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Write a model; gzip where `path` ends with .gz.

    Token i becomes the character with the code i + TOKEN_OFFSET; `vocab_size` stands for <s> and
    the number after it for </s>. `unknown` is the probability of <unk>. `progress(share done)` is
    called with numbers up to 1. `path` is replaced only by a complete file. Raises
    LanguageModelError if it cannot be written.
    """
    offset = _core.decoding.TOKEN_OFFSET
    symbols = [*map(chr, range(offset, offset + vocab_size)), "<s>", "</s>"]
    kept = [np.flatnonzero(order.kept) for order in orders]
    counts = [len(numbers) + (n == 0) for n, numbers in enumerate(kept)]
    with _written_to(path) as file:
        header = "".join(f"ngram {n}={count}\n" for n, count in enumerate(counts, 1))
        file.write(f"\\data\\\n{header}\n".encode())
        done = 0
        for n in range(len(orders)):
            file.write(f"\\{n + 1}-grams:\n".encode())
            if n == 0:
                file.write(f"{np.log10(unknown):.7g}\t<unk>\t0\n".encode())
            for start in range(0, len(kept[n]), _CHUNK):
                chunk = kept[n][start : start + _CHUNK]
                lines = _lines(orders[: n + 1], chunk, symbols, n + 1 < len(orders))
                file.write("".join(lines).encode("utf-8"))
                done += len(chunk)
                if progress is not None:
                    progress(done / sum(counts))
            file.write(b"\n")
        file.write(b"\\end\\\n")


def _lines(
    orders: Sequence[Estimated],
    numbers: NDArray[np.intp],
    symbols: Sequence[str],
    with_backoff: bool,
) -> Iterator[str]:
    last = orders[-1]
    with np.errstate(divide="ignore"):
        scores = np.log10(last.probability[numbers])
    backoffs = np.log10(last.backoff[numbers])
    columns: list[list[int]] = []
    at: NDArray[np.signedinteger[Any]] = numbers
    for estimated in reversed(orders):
        columns.append(estimated.order.token[at].tolist())
        at = estimated.order.context[at]
    if len(orders) == 1:
        scores[last.order.from_begin[numbers]] = _NEVER
    for *tokens, score, backoff in zip(*reversed(columns), scores, backoffs, strict=True):
        text = " ".join([symbols[token] for token in tokens])
        yield f"{score:.7g}\t{text}\t{backoff:.7g}\n" if with_backoff else f"{score:.7g}\t{text}\n"


@contextmanager
def _written_to(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that replaces it if all goes well."""
    try:
        with replaced(path) as temporary, temporary.open("wb") as plain:
            if path.suffix == ".gz":
                # Without a name and a time the same text gives the same bytes.
                with gzip.GzipFile("", "wb", 6, plain, mtime=0) as packed:
                    yield packed  # type: ignore[misc]  # a GzipFile writes bytes as any file does
            else:
                yield plain
    except OSError as error:
        raise LanguageModelError(
            f"{path}: cannot be written ({error.strerror or error}); check the folder and the disk"
        ) from error
