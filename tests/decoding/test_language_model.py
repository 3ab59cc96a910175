"""N-gram models against NeMo and a plain back-off, and files that lie."""

from __future__ import annotations

import contextlib
import gzip
import math
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parrotlet import LanguageModelError
from parrotlet._core import decoding
from parrotlet.decoding.language_model import LanguageModel, read_arpa

GOOD = """\\data\\
ngram 1=6
ngram 2=4
ngram 3=2

\\1-grams:
-1.5\t<unk>\t0
-99\t<s>\t-0.3
-0.9\t</s>\t0
-0.5\tA\t-0.2
-0.7\tB\t-0.4
-0.8\tC

\\2-grams:
-0.3\t<s> A\t-0.1
-0.2\tA B\t-0.25
-0.6\tB A
-0.4\tB </s>

\\3-grams:
-0.1\t<s> A B
-0.15\tA B </s>

\\end\\
"""
VOCABULARY = 5


def arpa(text: str = GOOD) -> bytes:
    """A, B and C stand for tokens 0, 1 and 2; Z for token 10."""
    for letter, token in zip("ABCZ", (0, 1, 2, 10), strict=True):
        text = text.replace(letter, chr(decoding.TOKEN_OFFSET + token))
    return text.encode("utf-8")


def read(data: bytes, size: int = 1 << 20) -> decoding.NgramModel:
    reader = decoding.ArpaReader("lm.arpa", VOCABULARY)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    return reader.finish()


def test_the_scores_are_nemos(expected: dict[str, Any], language_model: Path) -> None:
    model = LanguageModel(language_model).scorer(expected["vocab"])
    assert model.order == expected["lm"]["order"] == 4
    for sequence in expected["lm"]["sequences"]:
        state, scores = model.start(), []
        for token in sequence["tokens"]:
            scores.append(model.scores(state)[token])
            assert model.step(state, token) == (scores[-1], model.advance(state, token))
            state = model.advance(state, token)
        scores.append(model.final_score(state))
        np.testing.assert_allclose(scores, sequence["scores"], atol=1e-5)


def test_steps_of_many_states(expected: dict[str, Any], language_model: Path) -> None:
    model = LanguageModel(language_model).scorer(expected["vocab"])
    rng = np.random.default_rng(0)
    states = rng.integers(model.states, size=1000)
    tokens = rng.integers(model.vocab_size, size=1000)
    scores, to = model.steps(states, tokens)
    one_by_one = [model.step(*pair) for pair in zip(states, tokens, strict=True)]
    np.testing.assert_array_equal(scores, np.float32([score for score, _ in one_by_one]))
    assert to.tolist() == [state for _, state in one_by_one]
    with pytest.raises(ValueError, match="tokens must have size 1000"):
        model.steps(states, tokens[1:])
    with pytest.raises(IndexError, match=f"token {model.vocab_size} is not"):
        model.steps(states[:1], np.array([model.vocab_size]))
    with pytest.raises(IndexError, match="has no state"):
        model.steps(np.array([-1]), tokens[:1])


def test_scores_by_hand() -> None:
    model = read(arpa())
    assert (model.order, model.states) == (3, 9 - 1)
    log = math.log(10)
    missing = -1.5 * log - math.log(2)  # tokens 3 and 4 share that of <unk>
    start = model.start()
    assert model.scores(start) == pytest.approx(
        [-0.3 * log, (-0.3 - 0.7) * log, (-0.3 - 0.8) * log, *[-0.3 * log + missing] * 2]
    )
    after_a = model.advance(start, 0)
    assert model.scores(after_a)[1] == pytest.approx(-0.1 * log)
    assert model.scores(after_a)[0] == pytest.approx((-0.1 - 0.2 - 0.5) * log)
    assert model.final_score(after_a) == pytest.approx((-0.1 - 0.2 - 0.9) * log)
    after_ab = model.advance(after_a, 1)
    assert model.final_score(after_ab) == pytest.approx(-0.15 * log)
    assert model.advance(after_ab, 3) == 0  # a token that is not there forgets everything
    assert model.final_score(0) == pytest.approx(-0.9 * log)


def test_pieces_line_ends_and_the_order_of_lines_make_no_difference() -> None:
    whole = read(arpa())
    turned = GOOD.replace(
        "-0.3\t<s> A\t-0.1\n-0.2\tA B\t-0.25", "-0.2\tA B\t-0.25\n-0.3\t<s> A\t-0.1"
    )
    assert turned != GOOD
    others = [read(arpa(), size) for size in (1, 7)]
    others += [read(arpa(text)) for text in (turned, GOOD.replace("\n", "\r\n"), GOOD + "more")]
    for other in others:
        for state in range(whole.states):
            np.testing.assert_array_equal(other.scores(state), whole.scores(state))
            assert other.final_score(state) == whole.final_score(state)


def test_unigrams_alone_and_a_file_without_unknown_tokens() -> None:
    text = GOOD.split("\\2-grams")[0].replace("ngram 2=4\nngram 3=2\n", "") + "\\end\\\n"
    model = read(arpa(text))
    assert model.order == 1
    assert model.scores(model.advance(model.start(), 0))[1] == pytest.approx(-0.9 * math.log(10))
    silent = (
        text.replace("-1.5\t<unk>\t0\n", "").replace("-0.9\t</s>\t0\n", "").replace("1=6", "1=4")
    )
    model = read(arpa(silent))
    never = -99 * math.log(10)
    assert model.scores(0)[3] == pytest.approx(never - math.log(2))
    assert model.final_score(0) == pytest.approx(never)


LIES = {
    "a count that is too small": ("ngram 2=4", "ngram 2=3", "line 18: there are more n-grams"),
    "a count that is too large": ("ngram 2=4", "ngram 2=5", "4 n-grams of order 2, but 5"),
    "a count beyond all memory": ("1=6", "1=99999999999999", "more n-grams than can be read"),
    "a count of nothing": ("ngram 2=4", "ngram 2=4x", "line 3: is 'ngram 2=4x' where a count"),
    "an order that is left out": ("ngram 2=4\n", "", "counts n-grams of order 3 where order 2"),
    "not a number": ("-0.2\tA B", "nan\tA B", "line 16: a probability is 'nan'"),
    "too large": ("-0.2\tA B", "-1.1e6\tA B", "'-1.1e6', which is no number from -1000000 to"),
    "beyond float": ("-0.2\tA B\t-0.25", "-0.2\tA B\t1e300", "a back-off weight is '1e300'"),
    "infinite": ("-0.2\tA B\t-0.25", "-0.2\tA B\t-inf", "a back-off weight is '-inf'"),
    "text for a number": ("-0.2\tA B", "x\tA B", "a probability is 'x'"),
    "more than certain": ("-0.2\tA B", "0.2\tA B", "logarithm of a probability is more than 0"),
    "no back-off weight": ("A B\t-0.25", "A B", "line 22: the beginning of .* no back-off weight"),
    "no beginning": ("<s> A\t-0.1", "<s> C\t-0.1", "line 21: the beginning of '<s>"),
    "no end": ("-0.1\t<s> A B", "-0.1\t<s> A A", "line 21: the end of '<s>"),
    "twice": ("-0.6\tB A", "-0.2\tA B\t-0.25", "line 17: an n-gram comes twice"),
    "a unigram twice": ("-0.8\tC", "-0.8\tB\t0", "line 12: a unigram comes twice"),
    "twice, and out of order": (
        "-0.4\tB </s>",
        "-0.2\tA B\t-0.25",
        "line 19: of the n-grams above, one comes twice",
    ),
    "an end twice": ("-0.6\tB A", "-0.4\tB </s>", "line 18: .* comes twice"),
    "no <s>": ("-99\t<s>\t-0.3", "-1\tg\t-0.3", "there is no unigram of <s>"),
    "another vocabulary": ("-0.8\tC", "-0.8\tZ", "token 10 is outside of the model's vocabulary"),
    "words": ("-0.8\tC", "-0.8\tword", "'word' is no token; .* not over words"),
    "letters": ("-0.8\tC", "-0.8\tA!", "is no token"),
    "no UTF-8": ("-0.8\tC", "-0.8\t\udcff", "is no token"),
    "too few symbols": ("-0.2\tA B", "-0.2\tA", "is no n-gram of order 2"),
    "too many symbols": ("-0.2\tA B", "-0.2\tA B A", "is no n-gram of order 2"),
    "<s> inside": ("-0.2\tA B", "-0.2\tA <s>", "has <s>, </s> or <unk> where none can be"),
    "<unk> inside": ("-0.2\tA B", "-0.2\tA <unk>", "where none can be"),
    "a section twice": ("\\3-grams:", "\\2-grams:", r"where \\3-grams: should be"),
    "a section less": ("\\3-grams:\n", "", "where a section should begin"),
    "an early end": ("\\3-grams:", "\\end\\", r"where \\3-grams: should be"),
    "no header": ("\\data\\", "data", r"line 1: is 'data' where \\data\\ should be"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_named(lie: str) -> None:
    old, new, fault = LIES[lie]
    assert GOOD.count(old) == 1
    data = arpa(GOOD.replace(old, "\0")).replace(b"\0", arpa_part(new))
    place = "" if fault.startswith("line") else r"line \d+: .*"
    with pytest.raises(LanguageModelError, match=rf"^lm\.arpa, {place}{fault}"):
        read(data)


def arpa_part(text: str) -> bytes:
    for letter, token in zip("ABCZ", (0, 1, 2, 10), strict=True):
        text = text.replace(letter, chr(decoding.TOKEN_OFFSET + token))
    return text.encode("utf-8", "surrogateescape")


def test_every_cut_is_an_error() -> None:
    data = arpa()
    for size in range(len(data) - 1):
        with pytest.raises(LanguageModelError, match=r"^lm\.arpa, line \d+: "):
            read(data[:size])
    read(data[:-1])  # the last line end may be missing


def test_a_reader_that_has_finished_or_failed_does_not_go_on() -> None:
    for data in (arpa(), b"no model\n"):
        reader = decoding.ArpaReader("lm.arpa", VOCABULARY)
        with contextlib.suppress(LanguageModelError):
            reader.feed(data)
            reader.finish()
        for call in (reader.finish, partial(reader.feed, b"x")):
            with pytest.raises(RuntimeError, match="finished or failed"):
                call()


def test_a_huge_order_is_named() -> None:
    counts = "".join(f"ngram {order}=1\n" for order in range(1, 40))
    with pytest.raises(LanguageModelError, match="line 18: the order is more than 16"):
        read(f"\\data\\\n{counts}\n".encode())


def test_lines_that_never_end_or_hold_nothing() -> None:
    for data, fault in (
        (b"\\data\\\n" + b"x" * 5000, "longer than any line"),
        (b"\\data\\\n" + b"x" * 5000 + b"\n", "longer than any line"),
        (b"\n" * 5000, "too many empty lines"),
        (b"", "the file ends before"),
    ):
        for size in (100, 1 << 20):
            with pytest.raises(LanguageModelError, match=fault):
                read(data, size)


def test_files_that_are_none(tmp_path: Path) -> None:
    packed = gzip.compress(arpa())
    wrong = {
        "empty.arpa": b"",
        "cut.arpa.gz": packed[:-20],
        "damaged.arpa.gz": packed[:40] + b"\0\xff\0" + packed[43:],
        "header.arpa.gz": b"\x1f\x8b\x07",
        "model.nemo": bytes(600),
        "latin.txt": "Größe".encode("latin-1"),
    }
    for name, data in wrong.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    for name in (*wrong, "folder", "missing.arpa"):
        with pytest.raises(LanguageModelError, match=f"^{tmp_path}/{name}"):
            LanguageModel(tmp_path / name).scorer(VOCABULARY)


def test_it_is_read_once_for_a_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(arpa()))
    model, seen = LanguageModel(path), []
    scorer = model.scorer(VOCABULARY, lambda done, total: seen.append((done, total)))
    assert seen == [(12, 12)]
    path.unlink()
    assert model.scorer(VOCABULARY) is scorer
    assert model == LanguageModel(path)
    with pytest.raises(LanguageModelError, match="cannot be read"):
        model.scorer(VOCABULARY + 1)


def test_random_models_score_as_a_plain_back_off_does(tmp_path: Path) -> None:
    source = random.Random(8)
    for trial in range(20):
        grams = random_grams(source, order=source.randint(2, 5))
        if trial % 2:  # no file has to be sorted
            grams = dict(source.sample([*grams.items()], len(grams)))
        model = read_arpa(written(tmp_path / f"{trial}.arpa", grams), VOCABULARY)
        for _ in range(20):
            context, state = ["<s>"], model.start()
            for token in (source.randrange(VOCABULARY) for _ in range(8)):
                known = chr(decoding.TOKEN_OFFSET + token)
                score = plain(grams, model.order, context, known)
                assert model.step(state, token)[0] == pytest.approx(score, abs=1e-5)
                context = [*context, known] if (known,) in grams else []
                state = model.advance(state, token)
                end = plain(grams, model.order, context, "</s>")
                assert model.final_score(state) == pytest.approx(end, abs=1e-5)


@pytest.mark.parametrize("vocab", [31, 32, 100, 300])
def test_a_token_is_found_however_many_arcs_its_state_has(tmp_path: Path, vocab: int) -> None:
    """States are indexed differently from 32 arcs on, and from one for eight tokens on."""
    source = random.Random(vocab)
    tokens = [chr(decoding.TOKEN_OFFSET + token) for token in range(vocab)]
    symbols = ("<s>", "</s>", "<unk>", *tokens)
    grams: Grams = {(symbol,): (-source.random(), -source.random()) for symbol in symbols}
    counts = {0, 1, 2, vocab, *(n + more for n in (32, vocab // 8) for more in (-1, 0, 1))}
    for context, count in zip(tokens, sorted(counts & set(range(vocab + 1))), strict=False):
        for token in source.sample(tokens, count):
            grams[context, token] = -source.random(), -source.random()
    for context, token in source.sample([gram for gram in grams if len(gram) == 2], 20):
        last = source.choice([gram for gram in grams if gram[0] == token])[-1]
        if (token, last) in grams:
            grams[context, token, last] = -source.random(), 0
    model = read_arpa(written(tmp_path / "lm.arpa", grams), vocab)
    after_two = range(vocab + 2, model.states)
    for state in (*range(vocab + 2), *source.sample(after_two, min(50, len(after_two)))):
        steps = [model.step(state, token) for token in range(vocab)]
        assert steps == listed(model, state)
        assert [score for score, _ in steps] == model.scores(state).tolist()


def listed(
    model: decoding.NgramModel, state: int, backoff: np.float32 | float = 0.0
) -> list[tuple[float, int]]:
    """What each token scores after `backoff` and where it leads, from the arcs as they are."""
    steps = [(0.0, 0)] * model.vocab_size
    if state != 0:
        lower, weight = model.backoff(state)
        steps = listed(model, lower, np.float32(backoff) + np.float32(weight))
    for token, to, weight in model.arcs(state):
        steps[token] = float(np.float32(backoff) + np.float32(weight)), to
    return steps


Grams = dict[tuple[str, ...], tuple[float, float]]


def random_grams(source: random.Random, order: int) -> Grams:
    """Back-off n-grams whose beginnings and ends are there as well; one token has none."""
    tokens = [chr(decoding.TOKEN_OFFSET + token) for token in range(VOCABULARY - 1)]
    grams: Grams = {}
    for gram in [("<s>",), ("</s>",), ("<unk>",), *((token,) for token in tokens)]:
        grams[gram] = -source.random(), -source.random()
    for n in range(2, order + 1):
        below = [gram for gram in grams if len(gram) == n - 1]
        for context in below:
            for token in [*tokens, "</s>"]:
                gram = (*context, token)
                allowed = context[-1] not in ("</s>", "<unk>") and gram[1:] in grams
                if allowed and source.random() < 0.4:
                    grams[gram] = -source.random(), -source.random()
    return grams


def written(path: Path, grams: Grams) -> Path:
    lines = ["\\data\\"]
    order = max(map(len, grams))
    by_order = [[gram for gram in grams if len(gram) == n] for n in range(1, order + 1)]
    lines += [f"ngram {n}={len(some)}" for n, some in enumerate(by_order, 1)]
    for n, some in enumerate(by_order, 1):
        lines += ["", f"\\{n}-grams:"]
        for gram in some:
            score, backoff = grams[gram]
            tail = "" if n == order else f"\t{backoff}"
            lines.append(f"{score}\t{' '.join(gram)}{tail}")
    path.write_bytes("\n".join([*lines, "", "\\end\\", ""]).encode())
    return path


def plain(grams: Grams, order: int, context: list[str], token: str) -> float:
    """The natural logarithm of P(token | context) by the definition of back-off."""
    history, score = tuple(context[-(order - 1) :]), 0.0
    while history and (*history, token) not in grams:
        score += grams[history][1] if history in grams else 0.0
        history = history[1:]
    found = (*history, token) if (*history, token) in grams else ("<unk>",)
    return (score + grams[found][0]) * math.log(10)
