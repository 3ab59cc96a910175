"""Phrases and language models in greedy searches against NeMo's `greedy_batch`, offline and live,
on every instruction set (`tests/decoding/data/README.md`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parrotlet
from parrotlet import Decoding, LanguageModel, Model, Phrases, Transcription, _core
from parrotlet.audio import read_audio

DATA = Path(__file__).parent.parent / "decoding" / "data"
EXPECTED: dict[str, Any] = json.loads((DATA / "greedy.json").read_text("utf-8"))
HYBRID = "parakeet-tdt_ctc-110m"
LIVE = "nemotron-speech-streaming-en-0.6b"
LANGUAGE_MODELS = {HYBRID: LanguageModel(DATA / f"{HYBRID}.arpa.gz")}
ENGLISH = LanguageModel(DATA / "english.arpa.gz")
OUR_NAMES = {"context_score": "score", "unk_score": "unknown_score"}

pytestmark = pytest.mark.filterwarnings("ignore:the vocabulary cannot write 'NASA'")


def decoding(name: str, head: str, settings: dict[str, Any]) -> Decoding:
    """NeMo's settings as ours."""
    keys: dict[str, Any] = {}
    if "tree" in settings:
        tree = {OUR_NAMES.get(key, key): value for key, value in settings["tree"].items()}
        keys |= {"phrases": Phrases(EXPECTED[name]["phrases"], **tree)}
        keys |= {"phrase_weight": settings["tree_weight"]}
    if "lm_weight" in settings:
        keys |= {"language_model": LANGUAGE_MODELS.get(name, ENGLISH)}
        keys |= {"language_model_weight": settings["lm_weight"]}
    return Decoding("ctc" if head == "ctc" else "transducer", **keys)


def result(found: Transcription, like: dict[str, Any]) -> dict[str, Any]:
    """What `like` has, of a transcription."""
    values = {
        "text": found.text,
        "tokens": [token.id for token in found.tokens],
        "frames": [token.frame for token in found.tokens],
        "durations": [token.duration for token in found.tokens],
    }
    return {key: values[key] for key in like}


def runs(name: str) -> Iterator[tuple[str, Decoding, dict[str, dict[str, Any]]]]:
    """(head, our settings, NeMo's results by clip)."""
    for head, content in EXPECTED[name]["heads"].items():
        for run in content["runs"].values():
            yield head, decoding(name, head, run["settings"]), run["clips"]


def plain_ctc(
    log_probs: np.ndarray, scorer: _core.decoding.TokenScorer | None, repeats: bool
) -> tuple[list[int], list[int]]:
    """Tokens and frames of greedy CTC, written plainly.

    With `repeats`, as in NeMo, a frame with the best label of the frame before begins a token if
    the scorer had changed that one's.
    """
    blank = last = heard = log_probs.shape[1] - 1
    state = scorer.start() if scorer else 0
    tokens, frames = [], []
    for frame, values in enumerate(log_probs):
        best = label = int(values.argmax())
        if scorer is not None and best not in (blank, last):
            if best == heard and not repeats:
                label = last
            else:
                sums = values[:blank] + scorer.scores(state)
                if last != blank:
                    sums[last] = -np.inf
                label = int(sums.argmax())
                state = scorer.advance(state, label)
        if label not in (blank, last):
            tokens.append(label)
            frames.append(frame)
        last, heard = label, best
    return tokens, frames


def search(model: Model, encoded: np.ndarray, head: str, how: Decoding) -> list[Any]:
    """The rows of a search whose frames come in two pieces."""
    options = _core.SearchOptions(model._config.max_symbols, scorer=model._scorers(how))
    running = _core.Search(model._core, head, options)
    half = len(encoded) // 2
    return [*running.feed(encoded[:half])[0], *running.feed(encoded[half:])[0], *running.finish()]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_searches_choose_as_nemo(name, isa, audio_dir, converted) -> None:
    model = parrotlet.load(converted(name, "f32"), threads=1)
    encoded: dict[str, np.ndarray] = {}
    differ = 0
    for head, how, clips in runs(name):
        for clip, expected in clips.items():
            if clip not in encoded:
                samples = read_audio(audio_dir / f"{clip}.wav", model.sample_rate)
                encoded[clip] = model.encode(model.features(samples))
            rows = search(model, encoded[clip], head, how)
            found = {"tokens": [row[0] for row in rows], "frames": [row[1] for row in rows]}
            found["durations"] = [row[2] for row in rows]
            if head == "ctc":
                log_probs = model.ctc_log_probs(encoded[clip])
                scorer = model._scorers(how)
                theirs = plain_ctc(log_probs, scorer, repeats=True)
                ours = plain_ctc(log_probs, scorer, repeats=False)
                assert theirs == (expected["tokens"], expected["frames"])
                assert ours == (found["tokens"], found["frames"])
                differ += ours != theirs
            else:
                assert all(found[key] == expected[key] for key in expected if key != "text")
    # NeMo's greedy CTC writes a token again where its label goes on; see `GreedyCtc`.
    assert differ == {"parakeet-ctc-0.6b": 9, HYBRID: 9}.get(name, 0)


@pytest.mark.parametrize("name", [HYBRID, LIVE, "parakeet-rnnt-0.6b"])
def test_transcriptions(name, audio_dir, converted) -> None:
    model = parrotlet.load(converted(name, "f32"), threads=2)
    for head, how, clips in runs(name):
        paths = [audio_dir / f"{clip}.wav" for clip in clips]
        together = model.transcribe_batch(paths, decoding=how)
        for path, outcome, expected in zip(paths, together, clips.values(), strict=True):
            alone = model.transcribe(path, decoding=how)
            assert outcome.result == alone
            if head != "ctc":
                assert result(alone, expected) == expected


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"parakeet-ctc-0.6b"}))
def test_each_recording_with_phrases_of_its_own(name, audio_dir, converted) -> None:
    model = parrotlet.load(converted(name, "f32"), threads=1)
    (head,) = set(EXPECTED[name]["heads"]) - {"ctc"}
    for batch in EXPECTED[name]["heads"][head]["per_stream"]:
        for request, (clip, expected) in zip(
            batch["requests"], batch["clips"].items(), strict=True
        ):
            how = Decoding()
            if request is not None:
                phrases = EXPECTED[name][request["phrases"]]
                how = Decoding(phrases=phrases, phrase_weight=request["weight"])
            found = model.transcribe(audio_dir / f"{clip}.wav", decoding=how)
            assert result(found, expected) == expected


def test_streams(isa, audio_dir, converted) -> None:
    model = parrotlet.load(converted(LIVE, "f32"), threads=1)
    for run in EXPECTED[LIVE]["heads"]["rnnt"]["streaming"].values():
        how = decoding(LIVE, "rnnt", run["settings"])
        for clip, expected in run["clips"].items():
            samples = read_audio(audio_dir / f"{clip}.wav", model.sample_rate)
            stream = model.stream(run["right"], decoding=how)
            for start in range(0, len(samples), 5000):
                stream.feed(samples[start : start + 5000])
            assert result(stream.finish(), expected) == expected


def test_windows_of_a_long_recording(audio_dir, converted) -> None:
    model = parrotlet.load(converted(HYBRID, "f32"), threads=2)
    clip = read_audio(audio_dir / "clip01.wav", model.sample_rate)
    pause = np.zeros(2 * model.sample_rate, np.float32)
    how = Decoding(phrases=["the quick brown ox"], phrase_weight=3.0)
    times = 1 + 70 * model.sample_rate // (len(clip) + len(pause))
    found = model.transcribe(np.tile(np.concatenate([clip, pause]), times), decoding=how)
    assert found.text.count("the quick brown ox") == times
