"""What can be passed as a recording, or as several, and what is refused at once."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from sound_files import make

import parrotlet
from parrotlet import AudioError, Decoding, Model, ParrotletError
from parrotlet.batch import transcribe_batch
from parrotlet.inputs import Reading
from parrotlet.longform.limits import Windowing

RATE = 16_000
SPELLED = "p i t t s b u r g h"


@pytest.fixture(scope="module")
def demo() -> Model:
    return parrotlet.load("demo", threads=2)


@pytest.fixture(scope="module")
def spelled(examples_dir: Path) -> np.ndarray:
    return soundfile.read(examples_dir / "spelled.wav", dtype="float32")[0]


def read(audio: Any, rate: int | None = None) -> np.ndarray:
    return np.concatenate(list(Reading(sampling_rate=rate).open(audio).blocks(RATE)))


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_samples_of_another_rate(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(20 * rate) / rate)
    want = soxr.resample(tone.astype(np.float32), rate, RATE)
    for found in (read(tone, rate), read({"array": tone, "sampling_rate": rate})):
        assert len(found) == len(want)
        assert np.abs(found - want).max() < 1e-5


def test_samples_of_the_same_rate_are_left_as_they_are(spelled: np.ndarray) -> None:
    assert np.array_equal(read(spelled, RATE), spelled)
    assert np.array_equal(read({"array": spelled, "sampling_rate": RATE, "path": "x"}), spelled)
    assert np.array_equal(read(spelled, np.int64(RATE)), spelled)


def test_transcribe_takes_a_rate(demo: Model, spelled: np.ndarray) -> None:
    twice = soxr.resample(spelled, RATE, 2 * RATE)
    found = demo.transcribe(twice, sampling_rate=2 * RATE)
    assert (found.text, found.audio) == (SPELLED, None)
    assert found.duration == pytest.approx(len(spelled) / RATE, abs=1e-3)
    (outcome,) = demo.transcribe_batch([twice], sampling_rate=2 * RATE)
    assert outcome.result == found


@pytest.mark.parametrize("rate", [0, -1, 16_000.5, 10, 10_000_000, "fast", float("nan"), True])
def test_rates_that_are_none(rate: Any) -> None:
    with pytest.raises(ValueError, match="sampling_rate"):
        Reading(sampling_rate=rate)


def test_rates_that_contradict(examples_dir: Path) -> None:
    with pytest.raises(ValueError, match="has its own"):
        Reading(sampling_rate=8000).open(examples_dir / "spelled.wav")
    with pytest.raises(ValueError, match="says 8000"):
        Reading(sampling_rate=16_000).open({"array": np.zeros(9), "sampling_rate": 8000})


@pytest.mark.parametrize(
    ("audio", "remedy"),
    [
        (b"RIFF....", r"io\.BytesIO"),
        (bytearray(b"RIFF"), r"io\.BytesIO"),
        (None, "binary mode"),
        ((np.zeros(9), 16_000), "sampling_rate=rate"),
        ((16_000, np.zeros(9)), "sampling_rate=rate"),
        ([np.zeros((2, 9)), 16_000], "sampling_rate=rate"),
        ({"array": np.zeros(9)}, "'sampling_rate': rate"),
        ({"bytes": b"RIFF", "path": None}, r"'bytes', 'path'.*io\.BytesIO"),
        ({}, "no keys"),
    ],
)
def test_what_is_no_recording(demo: Model, audio: Any, remedy: str) -> None:
    with pytest.raises(TypeError, match=remedy):
        demo.transcribe(audio)
    (outcome,) = demo.transcribe_batch([audio])
    assert isinstance(outcome.error, AudioError)
    assert isinstance(outcome.error.__cause__, TypeError)
    assert "recordings[0]" in str(outcome.error)


@pytest.mark.parametrize(
    "recordings",
    [
        "talk.wav", b"RIFF", Path("talk.wav"), io.BytesIO(b"RIFF"), np.zeros(9), np.zeros((2, 9)),
        np.zeros(9, dtype=np.int16), [0.0, 0.5], (1, 2), {"array": np.zeros(9)}, None, 7,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_one_recording_in_place_of_several(demo: Model, recordings: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a list of recordings.*\[recording\]"):
        demo.transcribe_batch(recordings)


def test_many_kinds_of_lists(demo: Model, examples_dir: Path) -> None:
    path = str(examples_dir / "spelled.wav")
    for recordings in ([path], (path,), {path: 1}, {path}, iter([path]), np.array([path])):
        (outcome,) = demo.transcribe_batch(recordings)
        assert outcome.result is not None
        assert outcome.result.text == SPELLED
    assert list(demo.transcribe_batch([])) == []


class Broken:
    """Raises whatever it is told to, wherever it is touched."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error if name != "read" else AttributeError(name)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise self._error


class BrokenFile(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise RuntimeError("of the caller")


class BrokenPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise RuntimeError("of the caller")


def bad_recordings(tmp_path: Path) -> Iterator[Any]:
    closed = io.BytesIO(b"RIFF")
    closed.close()
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    with text.open() as letters, text.open("a") as appended, Path(os.devnull).open("rb") as nothing:
        yield from (letters, appended, nothing)
    yield from (None, 5, b"RIFF", object(), closed, os.devnull, text, tmp_path, tmp_path / "gone")
    yield from ("", "a\0b", io.StringIO("x"), io.BytesIO(b""), (np.zeros(9), 16_000), ["a"])
    yield from (np.zeros(0), np.zeros((2, 99)), np.full(999, np.nan), np.full(999, 1e4))
    yield from (np.zeros(999, dtype=complex), [[1.0], [1.0, 2.0]])
    error = RuntimeError("of the caller")
    yield from (Broken(error), BrokenFile(b"x"), BrokenPath())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_recording_stops_the_others(demo: Model, spelled: np.ndarray, tmp_path: Path) -> None:
    recordings = (audio for bad in bad_recordings(tmp_path) for audio in (bad, spelled))
    outcomes = list(demo.transcribe_batch(recordings))
    assert len(outcomes) == 2 * sum(1 for _ in bad_recordings(tmp_path))
    for i, outcome in enumerate(outcomes):
        if i % 2:
            assert outcome.result is not None
            assert (outcome.result.text, outcome.audio) == (SPELLED, f"recordings[{i}]")
        else:
            assert outcome.result is None
            assert isinstance(outcome.error, ParrotletError)
            assert str(outcome.error)


@pytest.mark.parametrize("place", ["recognise", "finish", "start", "window_bytes"])
@pytest.mark.parametrize("error", [RuntimeError("inside"), MemoryError(), ZeroDivisionError()])
def test_whatever_is_raised_inside_is_of_one_recording(
    demo: Model, spelled: np.ndarray, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    calls = 0

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise error
            return function(*arguments)

        return call

    recogniser = demo._recognition(Decoding(), (-1, -1)).recogniser(Windowing())
    object.__setattr__(recogniser, "threads", 1)
    object.__setattr__(recogniser, place, failing(getattr(recogniser, place)))
    outcomes = list(transcribe_batch(recogniser, [spelled] * 3, Reading()))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, ParrotletError)
    assert "recordings[1]" in str(outcomes[1].error)
    assert outcomes[1].error.__cause__ is error


def test_interrupts_and_errors_of_the_list_end_a_batch(demo: Model, spelled: np.ndarray) -> None:
    for error in (KeyboardInterrupt(), RuntimeError("of the list")):

        def recordings(error: BaseException = error) -> Iterator[Any]:
            yield spelled
            raise error

        with pytest.raises(type(error)):
            list(demo.transcribe_batch(recordings()))
    with pytest.raises(KeyboardInterrupt):
        list(demo.transcribe_batch([Broken(KeyboardInterrupt())]))


def test_a_channel_beside_all_channels_is_refused(demo: Model, spelled: np.ndarray) -> None:
    choice = {"channel": 1, "split_channels": True}
    with pytest.raises(ValueError, match="channel is 1, but split_channels"):
        demo.transcribe(spelled, **choice)
    with pytest.raises(ValueError, match="channel is 1, but split_channels"):
        demo.transcribe_batch([spelled], **choice)


def test_samples_have_one_channel(demo: Model, spelled: np.ndarray) -> None:
    for choice in ({"channel": 2}, {"split_channels": True}):
        with pytest.raises(ValueError, match="one channel"):
            demo.transcribe(spelled, **choice)
        (outcome,) = demo.transcribe_batch([spelled], **choice)
        assert "recordings[0]: samples [n] are one channel" in str(outcome.error)
    assert demo.transcribe(spelled, channel=1).text == SPELLED


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_streams_refuse_other_scales_and_go_on(
    demo: Model, spelled: np.ndarray, dtype: str
) -> None:
    stream = demo.stream()
    with pytest.raises(AudioError, match="32768"):
        stream.feed((spelled * 32767).astype(dtype))
    stream.feed(spelled)
    assert stream.finish().duration == pytest.approx(len(spelled) / RATE)


@pytest.mark.parametrize("rate", [None, 8_000])
def test_a_recording_that_is_longer_than_it_may_be(demo: Model, rate: int | None) -> None:
    samples = np.zeros(3 * (rate or 16_000), dtype=np.float32)
    assert demo.transcribe(samples, sampling_rate=rate, max_seconds=3.0).text == ""
    with pytest.raises(parrotlet.LengthError, match=r"audio: is longer than 2\.9 s"):
        demo.transcribe(samples, sampling_rate=rate, max_seconds=2.9)
    with pytest.raises(ValueError, match="max_seconds is 0"):
        demo.transcribe(samples, sampling_rate=rate, max_seconds=0)


def test_a_file_that_is_longer_than_it_may_be(demo: Model) -> None:
    sound = make("flac", lambda rate: np.zeros(3 * rate, dtype=np.float32))
    (kept, given_up) = (
        next(demo.transcribe_batch([io.BytesIO(sound)], max_seconds=seconds))
        for seconds in (3.0, 2.9)
    )
    assert kept.result.duration == 3.0
    assert isinstance(given_up.error, parrotlet.LengthError)
