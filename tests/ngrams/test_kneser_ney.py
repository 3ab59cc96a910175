"""Estimated models against lmplz's, against the formulas written plainly, and what they sum to."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from parrotlet import LanguageModelError
from parrotlet._core import decoding
from parrotlet.decoding.language_model import read_arpa
from parrotlet.decoding.tokenizer import CharTokenizer, PlainTokenizer, Tokenizer
from parrotlet.ngrams import make_language_model
from parrotlet.ngrams.counting import count_ngrams
from parrotlet.ngrams.kneser_ney import FALLBACK, estimate

DATA = Path(__file__).parent / "data"
SENTENCES = [
    [int(token) for token in line.split()]
    for line in (DATA / "tokens.txt").read_text("utf-8").splitlines()
]
VOCABULARY = 60
BEGIN, END = VOCABULARY, VOCABULARY + 1
LETTERS = [chr(ord("A") + token) for token in range(VOCABULARY)]  # one for each token

Grams = dict[tuple[str, ...], tuple[float, float]]


def read_grams(path: Path) -> Grams:
    """{n-gram: (log10 probability, log10 back-off weight)}"""
    grams: Grams = {}
    for line in path.read_bytes().decode("utf-8").split("\n"):
        cells = line.split("\t")
        if len(cells) > 1:
            backoff = float(cells[2]) if len(cells) > 2 else 0.0
            grams[tuple(cells[1].split(" "))] = float(cells[0]), backoff
    return grams


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """The sentences as letters, for a tokenizer that has them as labels."""
    path = tmp_path / "text.txt"
    lines = ("".join(LETTERS[token] for token in sentence) for sentence in SENTENCES)
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def tokenizer() -> Tokenizer:
    return PlainTokenizer(LETTERS)


@pytest.mark.parametrize(("kind", "prune"), [("kept", [0]), ("pruned", [0, 0, 1])])
def test_the_model_is_lmplzs(
    kind: str, prune: list[int], text: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    made = make_language_model([text], tokenizer, tmp_path / "lm.arpa", order=3, prune=prune)
    ours, theirs = read_grams(made.path), read_grams(DATA / f"lmplz-{kind}.arpa")
    assert ours.keys() == theirs.keys()
    for gram, (score, backoff) in theirs.items():
        if gram != ("<s>",):  # which has no probability: lmplz writes 0
            assert ours[gram][0] == pytest.approx(score, abs=2e-6), gram
        assert ours[gram][1] == pytest.approx(backoff, abs=2e-6), gram
    assert made.sentences == len(SENTENCES)
    assert made.tokens == sum(map(len, SENTENCES))
    assert sum(made.counts) + 1 == len(theirs)


def plain_probability(counts: list[Counter[tuple[int, ...]]], gram: tuple[int, ...]) -> float:
    """Interpolated modified Kneser-Ney by its definition; counts[n] are adjusted, of order n."""
    n = len(gram)
    if n == 0:
        return 1 / (sum(1 for c in counts[1].values() if c) + 1)
    level = counts[n]
    have = [sum(1 for c in level.values() if c == k) for k in range(5)]
    y = have[1] / (have[1] + 2 * have[2])
    discounts = [0.0] + [k - (k + 1) * y * have[k + 1] / have[k] for k in (1, 2, 3)]
    followers = [c for g, c in level.items() if g[:-1] == gram[:-1]]
    left = sum(discounts[min(c, 3)] for c in followers) / sum(followers)
    own = level[gram]
    seen = (own - discounts[min(own, 3)]) / sum(followers)
    return seen + left * plain_probability(counts, gram[1:])


def test_probabilities_by_the_definition() -> None:
    rows = [[BEGIN, *sentence, END] for sentence in SENTENCES]
    raw = [Counter[tuple[int, ...]]() for _ in range(4)]
    for row in rows:
        for n in (1, 2, 3):
            raw[n].update(tuple(row[i : i + n]) for i in range(len(row) - n + 1))
    adjusted = [Counter[tuple[int, ...]](), Counter(), Counter(), raw[3]]
    for n in (1, 2):
        for gram in raw[n + 1]:
            adjusted[n][gram[1:]] += 1
        adjusted[n].update({g: c for g, c in raw[n].items() if g[0] == BEGIN and n > 1})
    orders = count_ngrams(np.array([t for row in rows for t in row], np.int32), BEGIN, 3)
    estimated, unknown = estimate(orders, [0, 0, 0], BEGIN, END)
    assert not any(order.is_fallback for order in estimated)
    third = orders[2]
    for i in range(0, len(third), 7):
        second, last = int(third.context[i]), int(third.token[i])
        first = int(orders[1].context[second])
        gram = (int(orders[0].token[first]), int(orders[1].token[second]), last)
        assert third.count[i] == raw[3][gram]
        assert estimated[2].probability[i] == pytest.approx(plain_probability(adjusted, gram))
    assert unknown > 0


@pytest.mark.parametrize("order", [2, 3, 6])
@pytest.mark.parametrize("prune", [[0], [0, 1], [2, 2]])
def test_every_context_sums_to_one(
    order: int, prune: list[int], text: Path, tmp_path: Path
) -> None:
    """Also with tokens that are not in the text, and those that are too rare to stay."""
    tokenizer = PlainTokenizer([*LETTERS, "\x7f", "\x80"])
    path = tmp_path / "lm.arpa.gz"
    make_language_model([text], tokenizer, path, order=order, prune=prune)
    model = read_arpa(path, VOCABULARY + 2)
    assert model.order == order
    for state in range(model.states):
        total = np.exp(model.scores(state).astype(np.float64)).sum()
        assert total + math.exp(model.final_score(state)) == pytest.approx(1, abs=1e-4)


def test_sentences_do_not_run_into_one_another() -> None:
    tokens = np.array([BEGIN, 1, 2, END, BEGIN, 1, END, BEGIN, 3, 1, 2, END], np.int32)
    one, two, three = count_ngrams(tokens, BEGIN, 3)
    assert dict(zip(one.token.tolist(), one.count.tolist(), strict=True)) == {
        **{1: 3, 2: 2, 3: 1, BEGIN: 3, END: 3},
    }
    pairs = zip(one.token[two.context].tolist(), two.token.tolist(), two.count, strict=True)
    assert {(a, b): int(c) for a, b, c in pairs} == {
        **{(BEGIN, 1): 2, (1, 2): 2, (2, END): 2, (1, END): 1, (BEGIN, 3): 1, (3, 1): 1},
    }
    assert sorted(three.count.tolist()) == [1, 1, 1, 1, 2]
    assert three.from_begin.sum() == 3
    # The end of an n-gram is the n-gram without its first token.
    assert (two.token[three.suffix] == three.token).all()
    assert (one.token[two.context[three.suffix]] == two.token[three.context]).all()


def test_small_texts_take_the_fallback(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("AB\n\nAC\n", "utf-8")
    made = make_language_model([tmp_path / "text"], tokenizer, tmp_path / "lm.arpa", order=2)
    assert made.fallbacks == (1, 2)
    grams = read_grams(made.path)
    # Two sentences: after <s>, A twice; 2 - D2 = 1 of 2, and half of P(A) = (1 - D1) / 5 + left.
    left = (3 * FALLBACK[0] + FALLBACK[1]) / 5
    below = (1 - FALLBACK[0]) / 5 + left / 5
    first = chr(decoding.TOKEN_OFFSET)
    assert 10 ** grams["<s>", first][0] == pytest.approx(0.5 + 0.5 * below, rel=1e-6)
    assert grams["<s>",][1] == pytest.approx(math.log10(0.5))


def test_the_same_text_gives_the_same_bytes(
    text: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("a.arpa.gz", "b.arpa.gz", "c.arpa")]
    for file in files:
        make_language_model([text], tokenizer, file, order=2)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert gzip.decompress(files[0].read_bytes()) == files[2].read_bytes()


def test_texts_are_fitted_to_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = CharTokenizer([" ", "a", "b", "'"])
    text = tmp_path / "text"
    text.write_bytes("\ufeffA  b, ü\r\nB'\n–\n\n".encode())
    made = make_language_model([text], tokenizer, tmp_path / "lm.arpa", order=2)
    assert (made.sentences, made.tokens) == (2, 6)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", r"text: holds no sentence"),
        (b"\n\n \n", r"text: holds no sentence"),
        (b"ok\n\xff\n", r"text, line 2: is no UTF-8"),
        (b"a" * (1 << 21), r"text, line 1: is longer than 1 MB"),
    ],
)
def test_texts_that_are_none(data: bytes, fault: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(data)
    with pytest.raises(LanguageModelError, match=fault):
        make_language_model([tmp_path / "text"], tokenizer, tmp_path / "lm.arpa")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_places_that_are_none(text: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    for inputs, out, fault in (
        ([tmp_path / "missing"], tmp_path / "lm.arpa", "missing: cannot be read"),
        ([tmp_path], tmp_path / "lm.arpa", "is no regular file"),
        ([text], tmp_path / "none" / "lm.arpa", "does not exist; create it"),
        ([text], tmp_path, "is no regular file and will not be replaced"),
        ([text], text, "is one of the texts itself"),
    ):
        with pytest.raises(LanguageModelError, match=fault):
            make_language_model(inputs, tokenizer, out)
    for options in ({"order": 1}, {"order": 17}, {"prune": []}, {"prune": [1, 0]}, {"prune": [-1]}):
        with pytest.raises(ValueError, match=r"order|threshold"):
            make_language_model([text], tokenizer, tmp_path / "lm.arpa", **options)
    with pytest.raises(ValueError, match="3 thresholds for an order of 2"):
        make_language_model([text], tokenizer, tmp_path / "lm.arpa", order=2, prune=[0, 0, 0])
