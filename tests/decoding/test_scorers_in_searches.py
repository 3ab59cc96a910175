"""What a scorer changes in greedy searches, and what it does not, on scripted frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from parrotlet import _core
from parrotlet._core.decoding import PhraseTree, TokenScorer

F, O, X, BLANK = range(4)  # noqa: E741 (the letters of "fox")
LETTERS = "fox"
Load = Callable[[Sequence[int]], _core.Model]


def preferring(*tokens: int, score: float = 10.0, vocabulary: int = BLANK) -> PhraseTree:
    """A scorer of one phrase, each token of which gets `score`."""
    return PhraseTree(vocabulary, [(tokens, score)], uniform_weights=True)


def heard(labels: str) -> np.ndarray:
    """Log-probabilities [frames, 4] of these best labels, "-" for the blank; "o" is next."""
    rows = np.full((len(labels), BLANK + 1), 0.05, np.float32)
    rows[:, O] = 0.2
    for row, label in zip(rows, labels, strict=True):
        row[(LETTERS + "-").index(label)] = 0.7
    return np.log(rows)


def written(labels: str, scorer: TokenScorer | None, size: int = 100) -> str:
    """The letters that greedy CTC finds, `size` frames at a time."""
    search = _core.Search.of_log_probs(BLANK + 1, scorer)
    frames = heard(labels)
    pieces = (frames[i : i + size] for i in range(0, len(frames), size))
    rows = [row for piece in pieces for row in search.feed(piece)[0]]
    return "".join(LETTERS[row[0]] for row in rows + search.finish())


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ("f-o-x", "oxo"),  # after the phrase, any o is its beginning again
        ("---", ""),  # nothing begins in blanks
        ("f--f", "ox"),
        ("fo-x", "ox"),  # the label that the scorer made of f goes on
        ("ffo-x", "ox"),
    ],
)
def test_ctc_begins_the_best_sum_and_keeps_blanks_and_repeats(
    labels: str, text: str, size: int
) -> None:
    assert written(labels, preferring(O, X), size) == text


def test_ctc_goes_on_with_a_label_that_goes_on() -> None:
    """One sound of several frames is one token. NeMo compares each frame with the token that was
    chosen instead: of these it makes "oxox", "oxoxo" and "oxox"."""
    assert written("fff-x", preferring(O, X)) == "ox"
    assert written("fffff", preferring(O, X)) == "o"
    assert written("ff-ff", preferring(O, X)) == "ox"


def test_ctc_never_begins_the_token_before_without_a_blank() -> None:
    assert written("ox", preferring(O, O)) == "ox"
    assert written("o-x", preferring(O, O)) == "oo"


def test_confidence_is_that_of_the_frames() -> None:
    def confidences(scorer: TokenScorer | None) -> list[float]:
        search = _core.Search.of_log_probs(BLANK + 1, scorer)
        return [row[3] for row in search.feed(heard("f-x-"))[0] + search.finish()]

    assert confidences(preferring(O)) == confidences(None)


def test_a_scorer_of_nothing_changes_nothing() -> None:
    assert written("ffo-x-oo", PhraseTree(BLANK, [])) == written("ffo-x-oo", None) == "foxo"


def scripted(first: int, second: float, duration: int) -> Callable[..., np.ndarray]:
    """Logits whose best label is `first` at even frames, and the blank at odd ones or after a
    token; token 1 is `second` less."""

    def process(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        blank = process.blank  # type: ignore[attr-defined]
        logits[:] = -20
        logits[1] = -second
        logits[first if frame % 2 == 0 and emitted <= frame // 2 else blank] = 0
        if len(logits) > blank + 1:
            logits[blank + 1 + duration] = 5
        return logits

    return process


@pytest.mark.parametrize("durations", [(), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize(("score", "token"), [(3.0, 5), (5.0, 1)])
def test_transducers_leave_blanks_and_durations_to_the_joint(
    transducer: Load, durations: Sequence[int], score: float, token: int
) -> None:
    model = transducer(durations)
    blank = len(model.metadata["tokenizer.ggml.tokens"])
    process = scripted(5, 4.0, 1)
    process.blank = blank  # type: ignore[attr-defined]
    head = "tdt" if durations else "rnnt"

    def rows(scorer: TokenScorer | None) -> list[tuple[int, int, int | None, float]]:
        search = _core.Search(model, head, _core.SearchOptions(10, process, scorer))
        width = model.metadata["conformer.embedding_length"]
        return search.feed(np.zeros((6, width), np.float32))[0] + search.finish()

    plain = rows(None)
    assert [row[0] for row in plain] == [5] * 3
    found = rows(preferring(1, score=score, vocabulary=blank))
    assert [row[0] for row in found] == [token] * 3
    assert [row[1:] for row in found] == [row[1:] for row in plain]  # confidences, too


def test_a_scorer_of_another_vocabulary_is_refused(transducer: Load) -> None:
    other = PhraseTree(BLANK + 1, [([O], math.pi)])
    with pytest.raises(ValueError, match="the scorer is for 4 tokens; the head has 3"):
        _core.Search.of_log_probs(BLANK + 1, other)
    with pytest.raises(ValueError, match="the scorer is for 4 tokens; the head has"):
        _core.Search(transducer(()), "rnnt", _core.SearchOptions(10, scorer=other))
