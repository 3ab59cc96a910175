"""Groups of live streams: each gets what it gets alone, whoever comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pieces import pieces

import parrotlet
from parrotlet import CapacityError, Decoding, Model, StreamGroup, Transcription
from parrotlet.audio import read_audio
from parrotlet.streaming import Taken
from parrotlet.streams.capacity import StepCost

DECODINGS = (Decoding(), Decoding("ctc"), Decoding(beam=2), Decoding(phrases=["pittsburgh"]))


@pytest.fixture(scope="module")
def model() -> Model:
    return parrotlet.load("demo", threads=2)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    examples = Path(__file__).parents[2] / "examples"
    return read_audio(examples / "spelled.wav", 16_000)


@pytest.fixture
def group(model: Model) -> Iterator[StreamGroup]:
    with model.streams(max_streams=50) as group:
        yield group


def same(one: Transcription, other: Transcription) -> bool:
    return (one.text, one.tokens, one.words) == (other.text, other.tokens, other.words)


def test_streams_of_different_kinds(model: Model, group: StreamGroup, speech: np.ndarray) -> None:
    kinds = [(right, decoding) for right in model.right_contexts for decoding in DECODINGS]
    with ThreadPoolExecutor(len(kinds)) as pool:
        results = list(
            pool.map(
                lambda kind: fed(group.open(kind[0], decoding=kind[1]), speech, seed=kind[0]), kinds
            )
        )
    for (right, decoding), result in zip(kinds, results, strict=True):
        assert same(result, fed(model.stream(right, decoding=decoding), speech, seed=1))
    assert group.stats().streams == 0


def fed(stream: parrotlet.Stream, samples: np.ndarray, seed: int) -> Transcription:
    for piece in pieces(samples, random.Random(seed)):
        stream.feed(piece)
    return stream.finish()


def test_previews(converted: Callable[[str, str], Path], speech: np.ndarray) -> None:
    """Features that are normalised over the recording are known at its end."""
    model = parrotlet.load(converted("lmu/recurrent-live", "f32"), threads=1)
    with model.streams() as group, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda seed: fed(group.open(), speech, seed), range(3)))
    alone = fed(model.stream(), speech, 0)
    assert all(same(result, alone) for result in results)


def test_asyncio(model: Model, group: StreamGroup, speech: np.ndarray) -> None:
    async def transcribed(right: int) -> Transcription:
        stream = group.open(right)
        for piece in pieces(speech, random.Random(right)):
            partial = await stream.feed_async(piece)
            assert partial is stream.partial
        return await stream.finish_async()

    async def all_of_them() -> list[Transcription]:
        return await asyncio.gather(*(transcribed(right) for right in model.right_contexts))

    results = asyncio.run(all_of_them())
    assert [result.text for result in results] == ["p i t t s b u r g h"] * 3 + [results[3].text]
    assert group.stats().streams == 0


def test_a_task_that_is_cancelled_leaves_a_stream_that_goes_on(
    model: Model, group: StreamGroup, speech: np.ndarray
) -> None:
    """What was taken by then is what the stream has heard."""
    long = np.tile(speech, 20)

    async def interrupted() -> Transcription:
        stream = group.open()
        task = asyncio.create_task(stream.feed_async(long))
        while not group.stats().chunks:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await stream.finish_async()

    result = asyncio.run(interrupted())
    heard = round(result.duration * 16_000)
    assert 0 < heard < len(long)
    assert same(result, fed(model.stream(), long[:heard], seed=0))


def test_an_interrupt_leaves_a_stream_that_goes_on(
    model: Model, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a step runs: its samples are taken, and the text is that of all samples."""
    with model.streams() as group:
        stream, result = group.open(), Future.result
        calls = iter(range(100))

        def interrupted(future: Future[Taken]) -> Taken:
            if next(calls) == 2:
                raise KeyboardInterrupt
            return result(future)

        chunk = round(stream.chunk_seconds * 16_000)
        for start in range(0, len(speech), chunk):
            with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
                patch.setattr(Future, "result", interrupted)
                stream.feed(speech[start : start + chunk])
        assert stream.finish().text == "p i t t s b u r g h"


def test_errors_stay_with_their_stream(group: StreamGroup, speech: np.ndarray) -> None:
    good, bad = group.open(), group.open()
    with pytest.raises(parrotlet.AudioError, match="must be a finite number"):
        bad.feed(np.array([0.0, np.nan]))
    bad.feed(speech)
    good.feed(speech)
    assert good.finish().text == bad.finish().text == "p i t t s b u r g h"
    with pytest.raises(ValueError, match="the stream is finished"):
        good.feed(speech)
    with pytest.raises(ValueError, match="the stream is finished"):
        good.finish()


def test_one_thread_at_a_time(group: StreamGroup) -> None:
    stream, errors = group.open(), []
    started = threading.Barrier(2)

    def feed() -> None:
        started.wait()
        for _ in range(50):
            try:
                stream.feed(np.zeros(1280, np.float32))
            except RuntimeError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=feed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("in use by another thread" in error for error in errors)
    assert stream.feed(np.zeros(1, np.float32)).text == ""


def test_leaving(model: Model, speech: np.ndarray) -> None:
    with model.streams(max_streams=2) as group:
        first, second = group.open(), group.open()
        with pytest.raises(CapacityError, match="2 streams are open, which is max_streams"):
            group.open()
        first.feed(speech)
        first.finish()
        with group.open() as third:
            assert group.stats().streams == 2
        assert group.stats().streams == 1
        with pytest.raises(ValueError, match="finished"):
            third.feed(speech)
        second.close()
        second.close()
        abandoned = group.open()
        abandoned.feed(speech[:2000])
        del abandoned
        gc.collect()
        assert group.stats().streams == 0


def test_no_more_than_the_machine_carries(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with model.streams(right_context=0) as group:
        monkeypatch.setattr(group._estimate, "cost", lambda: StepCost(0.02, 0.004))
        most = StepCost(0.02, 0.004).most_streams(Counter([1]), 0.08)
        streams = [group.open() for _ in range(most)]
        assert group.stats().max_streams == len(streams) == 8
        with pytest.raises(CapacityError, match=r"8 streams.*20\.0 ms and 4\.00 ms.*80 ms"):
            group.open()
        streams.pop().close()
        group.open()


def test_arguments(model: Model, converted: Callable[[str, str], Path]) -> None:
    with pytest.raises(ValueError, match="right_context is 3"):
        model.streams(3)
    with pytest.raises(ValueError, match="max_streams must be from 1, not 0"):
        model.streams(max_streams=0)
    with pytest.raises(ValueError, match="wait_seconds must be from 0"):
        model.streams(wait_seconds=-1)
    with model.streams() as group, pytest.raises(ValueError, match="right_context is 3"):
        group.open(3)
    with pytest.raises(RuntimeError, match="closed"):
        group.open().feed(np.zeros(1280, np.float32))
    offline = parrotlet.load(converted("parakeet-tdt-0.6b-v2", "q8_0"), threads=1)
    with pytest.raises(parrotlet.UnsupportedModelError, match="attends to the whole recording"):
        offline.streams()
    buffered = parrotlet.load(converted("parakeet-unified-en-0.6b", "q8_0"), threads=1)
    with pytest.raises(parrotlet.UnsupportedModelError, match="buffered, and by themselves"):
        buffered.streams()


def test_company(model: Model, speech: np.ndarray) -> None:
    """A piece waits for the others that are open, and all go in one step."""
    with model.streams(right_context=0, wait_seconds=30.0) as group:
        streams = [group.open() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda stream: stream.feed(speech[:1280]), streams))
        stats = group.stats()
        assert (stats.chunks, stats.chunks_per_step) == (4, 4.0)
        assert stats.milliseconds_behind_99 >= stats.milliseconds_behind > 0
        assert 0 < stats.busy <= 1


def test_streams_that_are_behind_share_their_steps(
    model: Model, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being waited for, each half of them would wait for the other half's steps."""
    # A test has to hold on a machine that stops for a while; a machine that carries streams is
    # quick.
    monkeypatch.setattr("parrotlet.streams.worker._QUIET_SECONDS", 0.5)
    monkeypatch.setattr("parrotlet.streams.worker._PROMPT_SECONDS", 60.0)

    def feed_file(stream: parrotlet.Stream) -> None:
        for first in range(0, 20 * 1280, 1280):
            stream.feed(speech[first : first + 1280])

    with model.streams(right_context=0, max_streams=4) as group:
        streams = [group.open() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(feed_file, streams))
        # The first pieces come one by one, and their results are waited for from the second on.
        assert group.stats().chunks_per_step > 2.5


def test_streams_that_come_at_the_same_moment_share_a_step(
    model: Model, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without `wait_seconds`, and where one that is open does not come."""
    monkeypatch.setattr("parrotlet.streams.worker._QUIET_SECONDS", 2.0)
    monkeypatch.setattr("parrotlet.streams.worker._BURST_SECONDS", 60.0)
    with model.streams(right_context=0) as group:
        streams = [group.open() for _ in range(5)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda stream: stream.feed(speech[:1280]), streams[:4]))
        assert (group.stats().chunks, group.stats().chunks_per_step) == (4, 4.0)


def test_streams_that_come_one_after_the_other_do_not_hold_up_the_first(
    model: Model, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parrotlet.streams.worker._QUIET_SECONDS", 3600.0)
    monkeypatch.setattr("parrotlet.streams.worker._BURST_SECONDS", 0.01)
    with model.streams(right_context=0) as group:
        _, stream = group.open(), group.open()
        feeding = threading.Thread(target=stream.feed, args=(speech[:1280],))
        feeding.start()
        feeding.join(20)
        assert not feeding.is_alive()
        assert group.stats().chunks == 1


def test_short_chunks_do_not_share_steps_with_many_long_ones(
    model: Model, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model.streams(wait_seconds=30.0, max_streams=4) as group:
        monkeypatch.setattr(group._estimate, "cost", lambda: StepCost(0.02, 0.00125))
        streams = [group.open(right) for right in (0, 13, 0, 13)]
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda stream: stream.feed(speech[: round(16000 * stream.chunk_seconds)]),
                    streams,
                )
            )
        # Twelve frames are in time: two chunks of one, and then each of 14 by itself.
        assert (group.stats().chunks, group.stats().chunks_per_step) == (4, 4 / 3)


def test_nobody_waits_for_a_stream_that_has_been_closed(model: Model, speech: np.ndarray) -> None:
    with model.streams(right_context=0, wait_seconds=3600.0) as group:
        silent, stream = group.open(), group.open()
        feeding = threading.Thread(target=stream.feed, args=(speech[:1280],))
        feeding.start()
        feeding.join(0.2)
        assert feeding.is_alive()
        silent.close()
        feeding.join(20)
        assert not feeding.is_alive()


def test_nobody_waits_for_a_stream_that_is_not_fed(model: Model, speech: np.ndarray) -> None:
    with model.streams(wait_seconds=0.01) as group:
        silent, stream = group.open(), group.open()
        stream.feed(speech)
        assert stream.finish().text == "p i t t s b u r g h"
        silent.close()


def test_a_group_that_is_open_does_not_keep_the_interpreter() -> None:
    program = (
        "import parrotlet\n"
        "stream = parrotlet.load('demo').streams().open()\n"
        "print(stream.feed([0.0] * 32000).time > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
