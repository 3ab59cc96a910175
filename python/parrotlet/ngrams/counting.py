"""Counting the n-grams of a tokenised text.

N-grams of one order are numbered in the order of their tokens, so that those with the same context
follow one another. A number, and not the tokens, stands for an n-gram: memory does not grow with
the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Indices = NDArray[np.int32]

MAX_TOKENS = 2**31 - 1
"""Tokens of text that can be numbered."""


@dataclass(frozen=True)
class Order:
    """The n-grams of one order; every array has one entry for each of them.

    `token` is the last token, `context` the number of the n-gram of the order below that comes
    before it, `suffix` that of the n-gram without the first token (both 0 for unigrams), `count`
    how often it is in the text, `from_begin` whether it begins with <s>.
    """

    token: Indices
    context: Indices
    suffix: Indices
    count: Ints
    from_begin: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many different n-grams there are."""
        return len(self.token)


def count_ngrams(
    tokens: Indices, begin: int, order: int, progress: Callable[[int], None] | None = None
) -> list[Order]:
    """Count the n-grams of the orders 1 to `order` in sentences that each begin with `begin`.

    `tokens` are the sentences one after another, with their ends. No n-gram reaches from one
    sentence into the next. `progress(orders done)` is called after each.
    """
    kinds = int(tokens.max()) + 1
    starts = np.flatnonzero(tokens == begin).astype(np.int32)
    depth = _depth(starts, len(tokens))
    orders: list[Order] = []
    # Where n-grams of the order at hand end, and the number of each; first, those of order 0.
    ends = np.arange(len(tokens), dtype=np.int32)
    numbers = np.zeros(len(tokens), np.int32)
    for n in range(1, order + 1):
        before = numbers
        if n > 1:
            whole = depth[ends] >= n - 1
            before = numbers[np.flatnonzero(whole) - 1]
            suffixes = numbers[whole]
            ends = ends[whole]
        keys = before.astype(np.int64) * kinds + tokens[ends]
        distinct, first, numbers, count = _unique(keys)
        context = (distinct // kinds).astype(np.int32)
        token = (distinct % kinds).astype(np.int32)
        if n == 1:
            from_begin, suffix = token == begin, np.zeros_like(context)
        else:
            from_begin, suffix = orders[-1].from_begin[context], suffixes[first]
        orders.append(Order(token, context, suffix, count, from_begin))
        if progress is not None:
            progress(n)
    return orders


def _depth(starts: Indices, size: int) -> Indices:
    """How many tokens of its sentence are before each token."""
    positions = np.arange(size, dtype=np.int32)
    return positions - np.repeat(starts, np.diff(starts, append=np.int32(size)))


def _unique(keys: Ints) -> tuple[Ints, Ints, Indices, Ints]:
    """Each different key, the index of one like it, every key's number among them, and counts."""
    by_key = np.argsort(keys, kind="stable")
    ordered = keys[by_key]
    is_new = np.empty(len(keys), np.bool_)
    is_new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    numbers = np.empty(len(keys), np.int32)
    numbers[by_key] = np.cumsum(is_new, dtype=np.int32) - 1
    at = np.flatnonzero(is_new)
    return ordered[at], by_key[at], numbers, np.diff(at, append=len(keys))
