"""The settings of the search for tokens."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gguf_files import rewrite

import parrotlet
from parrotlet import (
    Decoding,
    LanguageModel,
    LanguageModelError,
    ModelFileError,
    Phrases,
    PhrasesError,
)

ENGLISH = Path(__file__).parent.parent / "decoding" / "data" / "english.arpa.gz"


@pytest.fixture
def clip(audio_dir: Path) -> Path:
    return audio_dir / "clip01.wav"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"head": "beam"}, "head is 'beam'"),
        ({"head": 1}, "head is 1"),
        ({"max_symbols": 0}, "max_symbols is 0"),
        ({"max_symbols": 1.5}, "max_symbols is 1.5"),
        ({"max_symbols": True}, "max_symbols is True"),
        ({"phrase_weight": float("nan")}, "phrase_weight is nan; expected a finite number"),
        ({"phrase_weight": "1"}, "phrase_weight is '1'"),
        ({"language_model_weight": float("-inf")}, "language_model_weight is -inf"),
        ({"language_model_weight": 1e39}, "language_model_weight is 1e"),  # infinite in 32 bits
        ({"language_model_weight": None}, "language_model_weight is None"),
    ],
)
def test_wrong_values(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Decoding(**settings)  # type: ignore[arg-type]


def test_head_and_its_older_name(converted: Callable[[str, str], Path], clip: Path) -> None:
    model = parrotlet.load(converted("parakeet-tdt_ctc-110m", "f32"), threads=1)
    for head in model.heads:
        new = model.transcribe(clip, decoding=Decoding(head=head))
        assert new == model.transcribe(clip, decoder=head)
        assert [o.result for o in model.transcribe_batch([clip], decoding=Decoding(head))] == [new]
    assert new.head != model.transcribe(clip).head


def test_heads_by_their_own_names_and_older_words(
    converted: Callable[[str, str], Path], clip: Path
) -> None:
    model = parrotlet.load(converted("parakeet-tdt_ctc-110m", "f32"), threads=1)
    assert (model.heads, model.decoders) == (("tdt", "ctc"), ("transducer", "ctc"))
    for name, head in (("tdt", "tdt"), ("transducer", "tdt"), ("ctc", "ctc"), (None, "tdt")):
        found = model.transcribe(clip, decoding=Decoding(name))
        assert (found.head, found.decoder, found.to_dict()["decoder"]) == (head, head, head)
    with pytest.raises(ValueError, match=r'has "transducer" \(tdt\) or "ctc"'):
        model.transcribe(clip, decoding=Decoding("rnnt"))


def test_max_symbols_bounds_the_tokens_of_a_frame(
    converted: Callable[[str, str], Path], clip: Path
) -> None:
    model = parrotlet.load(converted("parakeet-rnnt-0.6b", "f32"), threads=1)

    def most(decoding: Decoding | None) -> int:
        tokens = model.transcribe(clip, decoding=decoding).tokens
        return int(np.bincount([token.frame for token in tokens]).max())

    assert most(None) > 1
    assert most(Decoding(max_symbols=1)) == 1


def test_forms_of_phrases_and_language_models() -> None:
    whole = Decoding(phrases=Phrases(["a", ("b", 2.0)]), language_model=LanguageModel("lm.arpa"))
    assert whole == Decoding(phrases=(p for p in ("a", ("b", 2))), language_model="lm.arpa")
    assert hash(whole) == hash(
        Decoding(phrases=(["a", ("b", 2.0)]), language_model=Path("lm.arpa"))
    )
    assert whole != Decoding(phrases=["a", ("b", 2.0)])
    for wrong in ("a, b", ["a", ""], [("a", float("nan"))]):
        with pytest.raises(PhrasesError):
            Decoding(phrases=wrong)


@pytest.fixture
def rnnt(converted: Callable[[str, str], Path]) -> parrotlet.Model:
    return parrotlet.load(converted("parakeet-rnnt-0.6b", "f32"), threads=1)


WORDS = Decoding(
    phrases=["the quick brown ox"],
    phrase_weight=8.0,
    language_model=ENGLISH,
    language_model_weight=0.5,
)


def test_settings_are_pickled_without_what_was_read(rnnt: parrotlet.Model, clip: Path) -> None:
    result = rnnt.transcribe(clip, decoding=WORDS)
    assert "the quick brown ox" in result.text
    copy = pickle.loads(pickle.dumps(WORDS))
    assert copy == WORDS
    assert rnnt.transcribe(clip, decoding=copy) == result


def test_scorers_are_made_once_for_a_model(
    rnnt: parrotlet.Model, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Phrases] = []
    build = Phrases.scorer

    def counted(phrases, tokenizer):
        built.append(phrases)
        return build(phrases, tokenizer)

    monkeypatch.setattr(Phrases, "scorer", counted)
    settings = [
        Decoding(phrases=["brown", phrase], phrase_weight=weight)
        for phrase in ("fox", "ox")
        for weight in (0.5, 1.0)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda how: rnnt.transcribe(clip, decoding=how), settings * 2))
    assert found[:4] == found[4:]
    assert len(built) == 2
    rnnt.prepare(settings[0])
    assert len(built) == 2
    list(rnnt.transcribe_batch([clip, clip], decoding=settings[1]))
    assert len(built) == 2


def test_weights_of_nothing_change_nothing(rnnt: parrotlet.Model, clip: Path) -> None:
    nothing = Decoding(
        phrases=["ox"], phrase_weight=0.0, language_model=ENGLISH, language_model_weight=0.0
    )
    assert rnnt.transcribe(clip, decoding=nothing) == rnnt.transcribe(clip)


def test_a_model_that_does_not_say_how_text_becomes_tokens(
    converted: Callable[[str, str], Path], clip: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.gguf"
    rewrite(converted("parakeet-rnnt-0.6b", "f32"), old, {"tokenizer.ggml.algorithm": None})
    model = parrotlet.load(old, threads=1)
    with pytest.raises(ModelFileError, match=r"old\.gguf: does not say how .* convert the checkp"):
        model.transcribe(clip, decoding=Decoding(phrases=["fox"]))
    assert model.transcribe(clip, decoding=Decoding(language_model=ENGLISH)).text


def test_files_that_cannot_be_used(rnnt: parrotlet.Model, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match=r"none\.arpa: cannot be read .* check the path"):
        rnnt.transcribe(clip, decoding=Decoding(language_model=tmp_path / "none.arpa"))
    other = Path(__file__).parent.parent / "decoding" / "data" / "demo.arpa"
    for call in (rnnt.transcribe, rnnt.transcribe_batch):
        with pytest.raises(LanguageModelError, match="was made for another model"):
            call(
                [clip] if call == rnnt.transcribe_batch else clip,
                decoding=Decoding(language_model=other),
            )
