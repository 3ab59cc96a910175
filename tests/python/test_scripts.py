"""Recordings with vocabularies of other scripts: the demo model with its pieces exchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf_files import rewrite

import parrotlet
from parrotlet import Model, Transcription
from parrotlet.audio import read_audio
from parrotlet.model_files import demo_path
from parrotlet.results import text_of
from parrotlet.subtitles import LINE_LENGTH, cues
from parrotlet.writing import columns

DECODERS = ["ctc", "transducer"]
RATE = 16_000

KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ"
THAI = "กขคงจชดตทนบปพฟมยรลวสหอ"
ARABIC = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
HINDI = "अआइईउकखगघचछजझटठडढणतथदधनपफबभमयरलवशसह"


def letters(alphabet: str, i: int) -> str:
    return alphabet[i % len(alphabet)] + alphabet[i * 7 % len(alphabet)]


def thai(i: int) -> str:
    vowel = ("า", "ี", "ู", "ะ")[i % 4]
    return ("เ" if i % 5 == 0 else "") + THAI[i % len(THAI)] + vowel + THAI[i * 7 % len(THAI)]


SCRIPTS: dict[str, Callable[[int], str]] = {
    "japanese": lambda i: letters(KANA, i),
    "chinese": lambda i: chr(0x4E00 + 37 * i),
    "thai": thai,
    "arabic": lambda i: "▁" + letters(ARABIC, i),
    "hindi": lambda i: "▁" + letters(HINDI, i),
    "letters": lambda i: letters("abcdefghijklmnopqrstuvwxyz", i),
}
UNSPACED = ["japanese", "chinese", "thai"]
SPACED = ["arabic", "hindi"]
MARKS = {
    "japanese": "、。",
    "chinese": "，？",
    "thai": "ๆ!",
    "arabic": "،؟",
    "hindi": ",।",
    "letters": ",.",
}
"""What the tokens for "eight" and "seven" become: a mark within a sentence, and one at its end."""


@pytest.fixture(scope="module")
def pieces() -> list[str]:
    reader = gguf.GGUFReader(demo_path())
    return list(reader.fields["tokenizer.ggml.tokens"].contents())


@pytest.fixture(scope="module")
def load(pieces: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    """`load(script)`: the demo model that writes in another script, made once."""
    folder = tmp_path_factory.mktemp("scripts")
    models: dict[str, Model] = {}

    def load(script: str) -> Model:
        if script not in models:
            changed = [SCRIPTS[script](i) for i in range(len(pieces))]
            changed[0] = pieces[0]
            for word, mark in zip(("▁eight", "▁seven"), MARKS[script], strict=True):
                changed[pieces.index(word)] = mark
            path = folder / f"{script}.gguf"
            rewrite(demo_path(), path, {"tokenizer.ggml.tokens": changed})
            models[script] = parrotlet.load(path, threads=1)
        return models[script]

    return load


@pytest.fixture(scope="module")
def speech(examples_dir: Path) -> np.ndarray:
    """Half a minute: both examples twice, in pauses of two seconds."""
    clips = [read_audio(examples_dir / f"{name}.wav", RATE) for name in ("example", "spelled")]
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 1e-4
    return np.concatenate([part for clip in [*clips, *clips] for part in (noise, clip)])


def check_result(result: Transcription) -> None:
    assert text_of(result.words) == result.text
    assert " ".join(segment.text for segment in result.segments).replace(" ", "") == (
        result.text.replace(" ", "")
    )
    for part in (*result.words, *result.segments, *result.tokens):
        assert 0 <= part.start <= part.end <= result.duration
    times = [word.start for word in result.words]
    assert times == sorted(times)


def check_formats(result: Transcription) -> None:
    found = cues(result.segments, result.duration)
    assert [word for cue in found for word in cue.words] == list(result.words)
    assert found[0].start >= result.words[0].start
    for cue in found:
        assert cue.start < cue.end <= result.duration
        for line in cue.lines:
            assert columns(line) <= LINE_LENGTH
            assert line[0] not in "、。，？ๆ!,.،؟।"
    lines = "".join(line for cue in found for line in cue.lines).replace(" ", "")
    assert lines == result.text.replace(" ", "")
    for name in ("srt", "vtt", "vtt-words"):
        text = parrotlet.render(result, name)
        kept = [
            line for line in text.splitlines() if line and not re.match(r"\d+$|.*-->|WEB", line)
        ]
        assert re.sub(r"<[^>]*>| ", "", "".join(kept)) == lines
    rows = parrotlet.render(result, "tsv").splitlines()[1:]
    assert "".join(row.split("\t")[2] for row in rows).replace(" ", "") == lines


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("script", UNSPACED)
def test_scripts_without_spaces(
    load: Callable[[str], Model], speech: np.ndarray, script: str, decoder: str
) -> None:
    result = load(script).transcribe(speech, decoder=decoder)
    assert " " not in result.text
    assert len(result.words) > 20
    # A word is a token here, and the mark that follows it.
    assert max(len(word.word.rstrip(MARKS[script])) for word in result.words) <= 4
    assert {segment.text[-1] for segment in result.segments[:-1]} == {MARKS[script][1]}
    check_result(result)
    check_formats(result)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("script", SPACED)
def test_scripts_with_spaces(
    load: Callable[[str], Model], speech: np.ndarray, script: str, decoder: str
) -> None:
    result = load(script).transcribe(speech, decoder=decoder)
    assert [word.word for word in result.words] == result.text.split()
    assert all(word.space_before for word in result.words)
    english = parrotlet.load("demo", threads=1).transcribe(speech, decoder=decoder)
    times = {(word.start, word.end) for word in english.words}
    assert len(times & {(word.start, word.end) for word in result.words}) > len(times) / 2
    check_result(result)
    check_formats(result)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("script", [*UNSPACED, *SPACED])
def test_streams(
    load: Callable[[str], Model], speech: np.ndarray, script: str, decoder: str
) -> None:
    model = load(script)
    stream = model.stream(decoder=decoder)
    partials = [stream.feed(speech[i : i + RATE]) for i in range(0, len(speech), RATE)]
    result = stream.finish()
    assert stream.partial.final == result.text
    assert stream.partial.words == result.words
    assert sum((p.new_words for p in [*partials, stream.partial]), ()) == result.words
    for partial in partials:
        assert result.text.startswith(partial.final)
        assert len(partial.unfinished) <= 8
    assert len({partial.final for partial in partials}) > 10
    check_result(result)
    check_formats(result)


@pytest.mark.parametrize("decoder", DECODERS)
def test_letters_that_are_never_parted(
    load: Callable[[str], Model], speech: np.ndarray, decoder: str
) -> None:
    """No space ever comes: words are divided all the same, and a stream makes them final."""
    model = load("letters")
    stream = model.stream(decoder=decoder)
    partials = [stream.feed(speech) for _ in range(6)]
    assert all(len(partial.unfinished) <= 4 * 64 for partial in partials)
    assert partials[-1].final
    result = stream.finish()
    assert stream.partial.final == result.text
    check_result(result)


def test_long_recordings(load: Callable[[str], Model], speech: np.ndarray) -> None:
    """Windows change over between the words of such scripts; no character is lost or doubled."""
    model = load("japanese")
    noise = np.random.default_rng(1).standard_normal(4 * len(speech)).astype(np.float32) * 3e-3
    result = model.transcribe(np.tile(speech, 4) + noise, window=10)
    check_result(result)
    check_formats(result)
    english = parrotlet.load("demo", threads=1).transcribe(np.tile(speech, 4) + noise, window=10)
    assert len(result.tokens) > 0.9 * len(english.tokens)
