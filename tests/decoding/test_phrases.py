"""Phrases: their values, files of them, and what a vocabulary makes of them."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

from parrotlet import PhrasesError
from parrotlet.decoding import phrases as module
from parrotlet.decoding.alphabet import Alphabet
from parrotlet.decoding.phrases import Phrases, read_phrases
from parrotlet.decoding.tokenizer import CharTokenizer, Tokenizer

CASED = CharTokenizer([" ", *"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "'", "-"])
LOWER = CharTokenizer([" ", *"abcdefghijklmnopqrstuvwxyz", "'"])


def total(phrase: str, phrases: Phrases, tokenizer: Tokenizer) -> float:
    """What the whole phrase scores."""
    tree, score = phrases.scorer(tokenizer), 0.0
    state = tree.start()
    for token in tokenizer.encode(phrase):
        step, state = tree.step(state, token)
        score += step
    return score


def test_scores_are_those_of_the_tree() -> None:
    phrases = Phrases(["ab", ("cd", 3), ("ef", None)], score=0.5, depth_scaling=1.0)
    assert phrases.entries == (("ab", None), ("cd", 3.0), ("ef", None))
    assert len(phrases) == 3
    assert total("ab", phrases, LOWER) == pytest.approx(1 + math.log(2))
    assert total("cd", phrases, LOWER) == pytest.approx(6 + math.log(2))
    assert phrases == Phrases((("ab", None), ("cd", 3.0), "ef"), 0.5, 1.0)
    assert hash(phrases) == hash(Phrases(phrases.entries, 0.5, 1.0))
    uniform = Phrases(["ab"], uniform_weights=True)
    assert total("ab", uniform, LOWER) == pytest.approx(1 + 1 + 2)  # the end gets the sum on top
    assert total("abcd", Phrases(["abcd"], score_per_phrase=2.0, depth_scaling=0.0), LOWER) == (
        pytest.approx(0.5 + max(0.5, math.log(2)) + math.log(3) + math.log(4))
    )


def test_the_same_tree_as_nemo(demo_tokenizer: Tokenizer) -> None:
    expected = json.loads((Path(__file__).parent / "data" / "demo.json").read_text("utf-8"))
    with pytest.warns(UserWarning, match="cannot write 'ENTER': <unk> stands for"):
        tree = Phrases([phrase for phrase, _ in expected["phrases"]]).scorer(demo_tokenizer)
    assert tree.states == len(expected["trees"][0]["arcs"]) + 1


def test_what_cannot_be_written_is_named(demo_tokenizer: Tokenizer) -> None:
    with pytest.raises(PhrasesError, match=r"the phrase 'naïve' cannot be written .*'ï'"):
        Phrases(["abc", "naïve"]).scorer(LOWER)
    with pytest.warns(UserWarning, match=r"'A1' and 1 more"):
        Phrases([f"A{i}" for i in (5, 4, 3, 2, 1, 0)]).scorer(demo_tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Phrases(["two nine"]).scorer(demo_tokenizer)
    with pytest.raises(PhrasesError, match=r"'\\u200b' has 0 tokens"):
        Phrases(["\u200b"]).scorer(demo_tokenizer)
    with pytest.raises(PhrasesError, match="has 2000 tokens"):
        Phrases(["ab" * 1000]).scorer(LOWER)


@pytest.mark.parametrize(
    ("given", "options", "fault"),
    [
        ("abc", {}, "give a list of texts"),
        ([""], {}, "a phrase is empty"),
        (["a", "  "], {}, "a phrase is empty"),
        ([("a", math.nan)], {}, "the score of 'a' is nan"),
        ([("a", "2")], {}, "the score of 'a' is '2'"),
        ([("a", True)], {}, "the score of 'a' is True"),
        ([5], {}, "5 is neither a phrase nor"),
        ([("a", 1, 2)], {}, "neither a phrase nor"),
        (["\ud800"], {}, "not valid text"),
        (["a\0"], {}, "not valid text"),
        ([("a", 1.1e6)], {}, r"the score of 'a' is 1100000.0; expected a number from -1e\+06 to"),
        ([("a", 10**5000)], {}, "the score of 'a' is inf"),
        (["a"], {"score": -(10**400)}, "score is -inf"),
        (["a"], {"depth_scaling": 2e6}, "depth_scaling is 2000000.0"),
        (["a"], {"unknown_score": -2e47}, r"unknown_score is -2e\+47"),
        (["a"], {"score_per_phrase": 1e300}, r"score_per_phrase is 1e\+300"),
        (["a"], {"score": math.inf}, "score is inf"),
        (["a"], {"depth_scaling": None}, "depth_scaling is None"),
        (["a"], {"unknown_score": "x"}, "unknown_score is 'x'"),
        (["a"], {"score_per_phrase": math.nan}, "score_per_phrase is nan"),
    ],
)
def test_values_that_make_no_sense(given: Any, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(PhrasesError, match=fault):
        Phrases(given, **options)


def test_variants_follow_the_vocabulary() -> None:
    cased, lower = Alphabet(CASED), Alphabet(LOWER)
    assert cased.variants("new york-city") == (
        *("new york-city", "new yorkcity", "New york-city", "New York-city"),
        *("New yorkcity", "New Yorkcity"),
    )
    assert cased.variants("NASA") == ("NASA", "nasa")
    assert lower.variants("O'Hare, St. Mary") == ("o'hare st mary",)
    assert lower.fit("don’t – stop!") == "dont stop"
    phrases = Phrases([("nasa", 2.0), ("Nasa", 9.0)], variants=True)
    assert total("Nasa", phrases, CASED) > total("nasa", phrases, CASED) > 0
    assert total("NASA", Phrases(["nasa"], variants=True), CASED) == 0


def test_files_of_phrases(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    text = "# names\n\n  new york \nGröße\t2.5\n\t \na # b\t-1e1\r\n#x\n\ufefflast"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    entries = (("new york", None), ("Größe", 2.5), ("a # b", -10.0), ("\ufefflast", None))
    assert read_phrases(path) == entries
    assert Phrases(read_phrases(path)).entries == entries


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "words.txt: holds no phrases"),
        (b"# nothing\n\n", "words.txt: holds no phrases"),
        ("ok\nGröße".encode("latin-1"), "words.txt, line 2: is no UTF-8"),
        ("Wort".encode("utf-16"), "words.txt, line 1: is no UTF-8"),
        ("Wort".encode("utf-16-le"), "words.txt, line 1: .* is not valid text"),
        (b"a\nb\tmuch", "words.txt, line 2: the score 'much' is not a number"),
        (b"b\t1\t2", "line 1: the score .* is not a number"),
        (b"b\tnan", "line 1: the score of 'b' is nan"),
        (
            b"a\ne\t0" + b"2" * 48,
            r"line 2: the score of 'e' is 2\.2+3e\+47; expected a number from",
        ),
        (b"b\t", None),
        (b"\t2\nb", "line 1: a phrase is empty"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes, fault: str | None) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    if fault is None:
        assert read_phrases(path) == (("b", None),)
        return
    with pytest.raises(PhrasesError, match=fault):
        read_phrases(path)


def test_large_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "words.txt"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # takes no room on the disk
    with pytest.raises(PhrasesError, match=r"words\.txt: is larger than 16 MB"):
        read_phrases(path)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(PhrasesError, match="cannot be read"):
            read_phrases(missing)
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 4)
    path.write_bytes(b"abcd")
    assert read_phrases(path) == (("abcd", None),)
