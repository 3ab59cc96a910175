"""How tokens are searched for: the settings that a caller chooses, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TRANSDUCERS = ("rnnt", "tdt")
"""Heads that "transducer" stands for; a model has one of them at most."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of the search for tokens.

    `head` is the head of a hybrid model, "ctc" or "transducer", or one of `Model.heads`, by default
    the first of these. `max_symbols` bounds the tokens of a transducer per encoder frame, by
    default as the model says; NeMo's `greedy.max_symbols`.

    Raises ValueError for another head and for less than one token.
    """

    head: str | None = None
    max_symbols: int | None = None

    def __post_init__(self) -> None:
        """Check the values by themselves."""
        if self.head not in (None, "ctc", "transducer", *TRANSDUCERS):
            raise ValueError(
                f'head is {self.head!r}; expected "ctc" or "transducer", or one of Model.heads'
            )
        limit = self.max_symbols
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"max_symbols is {limit!r}; expected a whole number from 1")


def find_head(name: str | None, heads: Sequence[str]) -> str | None:
    """Return the one of a model's `heads` that `Decoding.head` names; None if there is none.

    Without a name it is the first.
    """
    if name is None:
        return heads[0]
    named = TRANSDUCERS if name == "transducer" else (name,)
    return next((head for head in heads if head in named), None)


def decoding_with_head(decoding: Decoding | None, decoder: str | None) -> Decoding:
    """Return `decoding`, or what the older argument `decoder` says; raises ValueError for both."""
    if decoder is None:
        return decoding or Decoding()
    if decoding is not None:
        raise ValueError(
            f"decoder is {decoder!r} beside decoding; pass Decoding(head={decoder!r}) alone"
        )
    return Decoding(head=decoder)
