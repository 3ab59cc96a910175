"""Modified Kneser-Ney smoothing, interpolated.

Source: Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling"
(1998), equations 24 to 28; pruning, <s>, <unk> and fallback discounts as in KenLM's lmplz (Heafield
et al., "Scalable Modified Kneser-Ney Language Model Estimation", 2013). Where lmplz estimates
discounts, it takes the last n-gram of a lower order by its count in place of its adjusted count;
here all are taken alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parrotlet.ngrams.counting import Ints, Order

Floats = NDArray[np.float64]
Discounts = tuple[float, float, float]
"""What is taken from counts of 1, of 2, and of 3 and more."""

FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""lmplz's, for an order whose counts of counts give none: few tokens, or repetitive text."""


@dataclass(frozen=True)
class Estimated:
    """The n-grams of one order: `kept` says which stay in the model.

    `probability` and `backoff` are no logarithms; the back-off weight is that of the n-gram as a
    context. `discounts` are those used, `is_fallback` whether they are not the text's own.
    """

    order: Order
    kept: NDArray[np.bool_]
    probability: Floats
    backoff: Floats
    discounts: Discounts
    is_fallback: bool


def estimate(
    orders: Sequence[Order], thresholds: Sequence[int], begin: int, end: int
) -> tuple[list[Estimated], float]:
    """Estimate the model of counted n-grams, and the probability of <unk>.

    An n-gram that is `thresholds[n - 1]` times in the text or less is pruned; thresholds must not
    fall, so that the beginning and the end of a kept n-gram are kept as well. `begin` and `end` are
    the numbers of <s>, which has no probability, and of </s>, which is never pruned.
    """
    estimated: list[Estimated] = []
    lower = np.zeros(1)
    unknown = 0.0
    for n, order in enumerate(orders):
        adjusted = _adjusted(order, orders[n + 1] if n + 1 < len(orders) else None)
        kept = order.count > thresholds[n]
        if n == 0:
            adjusted[order.token == begin] = 0
            kept |= (order.token == begin) | (order.token == end)
            # Below unigrams all are alike: the tokens kept, </s>, and <unk> in the place of <s>.
            lower[0] = 1.0 / np.count_nonzero(kept)
        discounts, is_fallback = _discounts(adjusted)
        contexts = len(orders[n - 1]) if n else 1
        probability, backoff = _interpolated(order, adjusted, kept, discounts, lower, contexts)
        if n == 0:
            unknown = float(backoff[0] * lower[0])
        else:
            estimated[-1].backoff[:] = backoff
        ones = np.ones(len(order))
        estimated.append(Estimated(order, kept, probability, ones, discounts, is_fallback))
        lower = probability
    return estimated, unknown


def _adjusted(order: Order, longer: Order | None) -> Ints:
    """In how many different contexts an n-gram is; its count, for the highest order and after <s>.

    Nothing comes before <s>.
    """
    if longer is None:
        return order.count.copy()
    contexts = np.bincount(longer.suffix, minlength=len(order))
    return np.where(order.from_begin, order.count, contexts)


def _discounts(adjusted: Ints) -> tuple[Discounts, bool]:
    """Equation 26: from how many n-grams have the counts 1 to 4."""
    ones, twos, threes, fours = (int(np.count_nonzero(adjusted == k)) for k in (1, 2, 3, 4))
    if not (ones and twos and threes):
        return FALLBACK, True
    y = ones / (ones + 2 * twos)
    found = (1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes)
    if any(not 0 <= discount <= k for k, discount in enumerate(found, 1)):
        return FALLBACK, True
    return found, False


def _interpolated(
    order: Order,
    adjusted: Ints,
    kept: NDArray[np.bool_],
    discounts: Discounts,
    lower: Floats,
    contexts: int,
) -> tuple[Floats, Floats]:
    """Equation 24: the probability of each n-gram, and the back-off weight of each context."""
    discount = np.array((0.0, *discounts))[np.minimum(adjusted, 3)]
    total = np.bincount(order.context, adjusted, contexts)
    # The whole count of what is pruned is left over, and not only the discount.
    left = np.bincount(order.context, np.where(kept, discount, adjusted), contexts)
    followed = total > 0
    backoff = np.divide(left, total, out=np.ones(contexts), where=followed)
    seen = np.divide(
        adjusted - discount, total[order.context], out=np.zeros(len(order)), where=adjusted > 0
    )
    return seen + backoff[order.context] * lower[order.suffix], backoff
