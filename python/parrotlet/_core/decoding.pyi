"""Scorers of tokens, for searches: language models, phrases, and weighted sums of them.

Scores are natural logarithms. A state is a number from 0 to `states` - 1; IndexError is raised for
another, and for a token outside of the vocabulary.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_ORDER: int
"""Largest order of an n-gram model."""

MAX_VOCABULARY: int
"""Most tokens that ARPA text can tell apart."""

MAX_PHRASE_SCORE: float
"""Largest magnitude of a phrase's score, depth_scaling and unknown_score."""

MAX_PHRASE_TOKENS: int
"""Most tokens of a phrase."""

TOKEN_OFFSET: int
"""Token i is written in ARPA as the character with the code i + TOKEN_OFFSET."""

class TokenScorer:
    @property
    def vocab_size(self) -> int: ...
    @property
    def states(self) -> int: ...
    @property
    def weight(self) -> float:
        """What scores have been multiplied by."""
    def start(self) -> int: ...
    def scores(self, state: int) -> NDArray[np.float32]:
        """The score of every token [vocab_size] after a state."""
    def advance(self, state: int, token: int) -> int: ...
    def final_score(self, state: int) -> float:
        """The score of the text's end; 0 for phrases."""

class BackoffGraph(TokenScorer):
    @property
    def n_bytes(self) -> int: ...
    def step(self, state: int, token: int) -> tuple[float, int]:
        """The score of one token, and the state it leads to."""
    def steps(
        self, states: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The same for each of the states [n] and tokens [n]; ValueError for unlike lengths."""
    def arcs(self, state: int) -> list[tuple[int, int, float]]:
        """(token, state it leads to, weight), in the order of the tokens."""
    def backoff(self, state: int) -> tuple[int, float]:
        """The state that a state backs off to, and the weight of that."""

class NgramModel(BackoffGraph):
    @property
    def order(self) -> int: ...

class ArpaReader:
    """Reads an ARPA file in pieces; LanguageModelError, with `name`, for what is wrong with it."""

    def __init__(self, name: str, vocab_size: int) -> None: ...
    def feed(self, bytes: bytes) -> None: ...
    def finish(self) -> NgramModel: ...
    @property
    def ngrams_read(self) -> int: ...
    @property
    def ngrams_promised(self) -> int: ...
    @property
    def counts(self) -> list[int]:
        """N-grams of each order that the header promises, from its counts that have been read."""
    @property
    def model_bytes(self) -> int:
        """Bytes of the model that the header promises, nearly."""

class PhraseTree(BackoffGraph):
    def __init__(
        self,
        vocab_size: int,
        phrases: Sequence[tuple[Sequence[int], float]],
        depth_scaling: float = 2.0,
        unknown_score: float = 0.0,
        uniform_weights: bool = False,
    ) -> None:
        """`phrases` are (token ids, score of the first token).

        Raises ValueError for no tokens or more than MAX_PHRASE_TOKENS, tokens outside of the
        vocabulary, and numbers above MAX_PHRASE_SCORE in magnitude.
        """
    def is_end(self, state: int) -> bool:
        """Whether a phrase ends in a state."""

class WeightedSum(TokenScorer):
    def __init__(self, parts: Sequence[tuple[TokenScorer, float]]) -> None:
        """`parts` are (scorer, weight).

        Raises ValueError for no parts, different vocabularies, too many states, and weights whose
        magnitudes, multiplied through sums within sums, are more than 1e6 together.
        """
