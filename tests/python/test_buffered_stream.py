"""Buffered streams: sizes by default, what they accept, and how they refuse the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import Model, Transcription, UnsupportedModelError
from parrotlet.architectures.buffering import ChunkContexts, ContextSize
from parrotlet.audio import read_audio
from parrotlet.streaming import Stream

Converted = Callable[[str, str], Path]

UNIFIED, OFFLINE = "parakeet-unified-en-0.6b", "parakeet-tdt-0.6b-v2"
PUBLISHED = ChunkContexts((70,), (1, 2, 7, 13), (0, 1, 2, 3, 4, 7, 13))


@pytest.fixture
def unified(converted: Converted) -> Model:
    return parrotlet.load(converted(UNIFIED, "f32"), threads=1)


@pytest.fixture
def offline(converted: Converted) -> Model:
    return parrotlet.load(converted(OFFLINE, "f32"), threads=1)


@pytest.fixture
def speech(audio_dir: Path) -> np.ndarray:
    return read_audio(audio_dir / "clip01.wav", 16_000)


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ((None, None, None), (70, 13, 13)),
        ((None, None, 7), (70, 7, 7)),
        ((None, None, 5), (70, 2, 5)),
        ((None, None, 1), (70, 1, 1)),
        ((None, None, 0), (70, 1, 0)),
        ((None, 1, 3), (70, 1, 3)),
        ((35, 20, None), (35, 20, 13)),
    ],
)
def test_sizes_that_are_left_open(given, chosen) -> None:
    assert PUBLISHED.choose(*given) == ContextSize(*chosen)


def test_a_model_that_was_trained_for_it(unified: Model) -> None:
    assert unified.can_stream
    assert unified.chunk_sizes == (1, 2, 4, 7)
    assert unified.right_contexts == ()
    stream = unified.stream()
    assert (stream.chunk_size, stream.right_context, stream.is_preview) == (7, 7, False)
    assert stream.chunk_seconds == pytest.approx(0.56)
    assert unified.stream(right_context=3).chunk_size == 2
    assert unified.stream(chunk_size=5).chunk_size == 5


def test_a_model_that_was_not(offline: Model) -> None:
    assert not offline.can_stream
    assert offline.chunk_sizes == ()
    with pytest.raises(UnsupportedModelError, match="name a chunk_size"):
        offline.stream()
    stream = offline.stream(chunk_size=25)
    assert (stream.chunk_size, stream.right_context) == (25, 25)
    with pytest.raises(ValueError, match="left_context is 5, without a chunk_size"):
        offline.stream(left_context=5)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"chunk_size": 0}, "chunk_size is 0; expected 1 to 10000 encoder frames"),
        ({"chunk_size": 2.0}, "chunk_size is 2.0"),
        ({"chunk_size": True}, "chunk_size is True"),
        ({"chunk_size": 2, "right_context": "7"}, "right_context is '7'"),
        ({"chunk_size": 2, "left_context": -1}, "left_context is -1; expected 0 to 10000"),
        ({"chunk_size": 2, "right_context": 20_000}, "right_context is 20000"),
    ],
)
def test_sizes_that_make_no_window(sizes, message, unified: Model, offline: Model) -> None:
    for model in (unified, offline):
        with pytest.raises(ValueError, match=message):
            model.stream(**sizes)


def test_models_that_stream_without(converted: Converted) -> None:
    caching = parrotlet.load("demo", threads=1)
    with pytest.raises(ValueError, match="chunk_size is 7, but demo has chunks of right_context"):
        caching.stream(chunk_size=7)
    recurrent = parrotlet.load(converted("lmu/recurrent", "f32"), threads=1)
    with pytest.raises(ValueError, match=r"left_context is 7, but .* is recurrent"):
        recurrent.stream(left_context=7)


def test_the_whole_recording_in_one_window_is_what_transcribe_gives(
    unified: Model, offline: Model, speech: np.ndarray
) -> None:
    for model in (unified, offline):
        stream = model.stream(chunk_size=10_000)
        assert stream.feed(speech).text == ""
        assert stream.finish().tokens == model.transcribe(speech).tokens


def test_int16_samples(unified: Model, speech: np.ndarray) -> None:
    results = []
    for samples in (speech, np.round(speech * 32768).astype(np.int16)):
        stream = unified.stream(right_context=4)
        stream.feed(samples)
        results.append([token.id for token in stream.finish().tokens])
    assert results[0] == results[1] != []


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 320, 1280])
def test_next_to_nothing(samples: int, unified: Model) -> None:
    stream = unified.stream()
    stream.feed(np.zeros(samples, np.float32))
    result = stream.finish()
    assert result.duration == samples / 16_000
    with pytest.raises(ValueError, match="is finished"):
        stream.feed(np.zeros(1, np.float32))


def test_streams_do_not_disturb_each_other(unified: Model, speech: np.ndarray) -> None:
    def streams():
        return [unified.stream(right_context=right) for right in (0, 1, 4, 7)]

    alone = []
    for stream in streams():
        stream.feed(speech)
        alone.append(stream.finish())
    together = streams()
    for start in range(0, len(speech), 1000):
        for stream in together:
            stream.feed(speech[start : start + 1000])
    assert [stream.finish() for stream in together] == alone
    assert len({result.text for result in alone}) > 1

    def followed(stream: Stream) -> Transcription:
        for start in range(0, len(speech), 1000):
            stream.feed(speech[start : start + 1000])
        return stream.finish()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(followed, streams())) == alone


def test_what_the_whole_recording_is_transcribed_with_stays(
    unified: Model, speech: np.ndarray
) -> None:
    before = unified.transcribe(speech)
    unified.stream(right_context=1).feed(speech)
    assert unified.transcribe(speech) == before
    with pytest.raises(ValueError, match="attends to the whole recording; leave it out"):
        unified.transcribe(speech, right_context=7)
