"""Streams: what they accept, how they refuse the rest, and utterance ends."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import AudioError, Event, Model, Transcription, UnsupportedModelError
from parrotlet.audio import read_audio
from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Found
from parrotlet.decoding.languages import Languages
from parrotlet.decoding.tokenizer import SentencePieceTokenizer
from parrotlet.decoding.transcript import Transcript
from parrotlet.streaming import Row, Stream

Converted = Callable[[str, str], Path]

HYBRID = "stt_en_fastconformer_hybrid_large_streaming_multi"
EOU = "parakeet_realtime_eou_120m-v1"
FRAME_SAMPLES = 1280


@pytest.fixture(scope="module")
def model() -> Model:
    return parrotlet.load("demo", threads=1)


@pytest.fixture
def speech(examples_dir: Path) -> np.ndarray:
    return read_audio(examples_dir / "spelled.wav", 16_000)


def test_defaults(model: Model) -> None:
    assert model.can_stream
    stream = model.stream()
    assert stream.right_context == model.right_contexts[0] == 13
    assert stream.chunk_seconds == pytest.approx(1.12)
    assert stream.partial.text == stream.partial.final == ""
    assert (stream.partial.time, len(stream.partial.words)) == (0, 0)
    assert model.stream(right_context=0).chunk_seconds == pytest.approx(0.08)


def test_result(model: Model, speech: np.ndarray) -> None:
    stream = model.stream()
    stream.feed(speech)
    result = stream.finish()
    assert isinstance(result, Transcription)
    assert result.text == "p i t t s b u r g h"
    assert result.duration == len(speech) / 16_000
    assert (result.head, result.model, result.audio) == ("rnnt", "demo", None)
    assert stream.partial.text == stream.partial.final == result.text
    assert stream.partial.words == result.words
    assert model.stream(decoder="ctc").finish().head == "ctc"


def test_arguments(model: Model) -> None:
    with pytest.raises(ValueError, match=r"right_context is 3; .* trained for 13, 6, 1, 0"):
        model.stream(right_context=3)
    with pytest.raises(ValueError, match=r"head is 'beam'; .* .ctc. or .transducer."):
        model.stream(decoder="beam")


def test_models_for_whole_recordings(converted: Converted) -> None:
    offline = parrotlet.load(converted("parakeet-tdt-0.6b-v2", "q8_0"), threads=1)
    assert not offline.can_stream
    with pytest.raises(UnsupportedModelError, match="attends to the whole recording"):
        offline.stream()


def test_models_that_normalise(data_dir: Path, tmp_path: Path) -> None:
    checkpoint, path = tmp_path / "model.nemo", tmp_path / "normalising.gguf"
    with tarfile.open(data_dir / EOU / "model.nemo") as old, tarfile.open(checkpoint, "w") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            content = file.read() if file else b""
            content = content.replace(b"normalize: NA", b"normalize: per_feature")
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    parrotlet.convert(checkpoint, path, type="q8_0")
    with pytest.raises(UnsupportedModelError, match=r"normalising\.gguf: .* normalises"):
        parrotlet.load(path, threads=1).stream()


def test_nothing_at_all(model: Model) -> None:
    result = model.stream().finish()
    assert (result.text, result.duration, result.words, result.tokens) == ("", 0, (), ())


def test_empty_pieces(model: Model, speech: np.ndarray) -> None:
    stream = model.stream()
    assert stream.feed([]).text == ""  # type: ignore[arg-type]
    stream.feed(speech)
    before = stream.partial
    after = stream.feed(np.zeros(0, np.float32))
    assert (after.text, after.time, after.words) == (before.text, before.time, before.words)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.array([0.0, np.nan]), AudioError, "samples: sample 1001 is nan"),
        (np.array([np.inf]), AudioError, "samples: sample 1000 is inf"),
        (np.zeros((10, 2)), ValueError, r"shape \(10, 2\)"),
        (np.zeros(10, complex), ValueError, "dtype complex128"),
        (b"\x00\x00", ValueError, "shape"),
    ],
)
def test_a_refused_piece_changes_nothing(
    model: Model, speech: np.ndarray, bad: np.ndarray, error: type[Exception], message: str
) -> None:
    stream = model.stream()
    stream.feed(speech[:1000])
    with pytest.raises(error, match=message):
        stream.feed(bad)
    stream.feed(speech[1000:])
    undisturbed = model.stream()
    undisturbed.feed(speech)
    assert stream.finish() == undisturbed.finish()


def test_a_finished_stream_takes_nothing(model: Model, speech: np.ndarray) -> None:
    stream = model.stream()
    stream.finish()
    for call in (lambda: stream.feed(speech), stream.finish):
        with pytest.raises(ValueError, match="the stream is finished"):
            call()


def test_partials_stay_what_they_were(model: Model, speech: np.ndarray) -> None:
    stream = model.stream(right_context=1)
    partials = [stream.feed(speech[i : i + 4000]) for i in range(0, len(speech), 4000)]
    texts = [partial.text for partial in partials]
    assert texts == sorted(texts, key=len)
    result = stream.finish()
    assert [partial.text for partial in partials] == texts
    assert all(result.text.startswith(partial.final) for partial in partials)
    assert sum((p.new_words for p in [*partials, stream.partial]), ()) == result.words


class Frames:
    """An encoder that yields one frame, its number, for every 1,280 samples."""

    def __init__(self) -> None:
        self.largest = 0
        self._samples = 0
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.leave.set()

    def feed(self, samples: np.ndarray) -> np.ndarray:
        self.entered.set()
        self.leave.wait(60)
        self.largest = max(self.largest, len(samples))
        first = self._samples // FRAME_SAMPLES
        self._samples += len(samples)
        numbers = np.arange(first, self._samples // FRAME_SAMPLES, dtype=np.float32)
        return numbers[:, None]

    def finish(self) -> np.ndarray:
        return np.zeros((0, 1), np.float32)


def scripted_stream(script: dict[int, str], encoder: Frames, doubt: int = 0) -> Stream:
    """A stream that emits `script[frame]` at that frame.

    It is settled `doubt` frames later. Until then it is taken for one of the other pieces.
    """
    pieces = ["<unk>", "<EOU>", "<EOB>", *sorted(set(script.values()) - {"<EOU>", "<EOB>"})]
    tokenizer = SentencePieceTokenizer(pieces, [2, 4, 4] + [1] * (len(pieces) - 3))

    class Search:
        def __init__(self) -> None:
            self._waiting: list[int] = []

        def feed(self, encoded: np.ndarray) -> tuple[list[Row], list[Row]]:
            now = int(encoded[-1, 0])
            self._waiting += [int(frame) for frame in encoded[:, 0] if int(frame) in script]
            sure = sum(frame <= now - doubt for frame in self._waiting)
            settled, self._waiting = self._waiting[:sure], self._waiting[sure:]
            tentative = [(1 + now % (len(pieces) - 1), frame, None, 0.5) for frame in self._waiting]
            return rows(settled), tentative

        def finish(self) -> list[Row]:
            return rows(self._waiting)

        def alternatives(self) -> list[tuple[list[Row], float]]:
            return []

    def rows(frames: list[int]) -> list[Row]:
        return [(pieces.index(script[frame]), frame, None, 1.0) for frame in frames]

    def finished(found: Found, duration: float, languages: Languages) -> Transcription:
        parts = assemble(found.tokens, "rnnt", tokenizer, 0.08, languages)
        return Transcription(
            parts.text, duration, parts.words, parts.segments, parts.tokens, "rnnt", "scripted"
        )

    return Stream(
        encoder,
        Search(),
        Transcript("rnnt", tokenizer, 0.08),
        finished,
        sample_rate=16_000,
        frame_seconds=0.08,
        right_context=0,
        chunk_size=1,
    )


def test_utterance_ends() -> None:
    script = {1: "▁open", 3: "▁it", 6: "<EOU>", 8: "▁mm", 9: "<EOB>", 12: "▁now"}
    stream = scripted_stream(script, Frames())
    partials = [stream.feed(np.zeros(FRAME_SAMPLES)) for _ in range(15)]
    events = [(i, event) for i, partial in enumerate(partials) for event in partial.events]
    assert events == [(6, Event("EOU", 0.48)), (9, Event("EOB", 0.72))]
    assert partials[5].final == "open"
    assert partials[6].final == "open it"
    result = stream.finish()
    assert result.text == partials[-1].text == "open it mm now"
    assert [segment.text for segment in result.segments] == ["open it", "mm", "now"]
    assert [token.piece for token in result.tokens] == list(script.values())


def test_a_search_that_takes_tokens_back() -> None:
    """Words and utterance ends are those that it settles, some frames later or at the end."""
    script = {1: "▁open", 3: "▁it", 6: "<EOU>", 8: "▁mm", 9: "<EOB>", 12: "▁now", 13: "▁go"}
    stream = scripted_stream(script, Frames(), doubt=3)
    partials = [stream.feed(np.zeros(FRAME_SAMPLES)) for _ in range(15)]
    events = [(i, event) for i, partial in enumerate(partials) for event in partial.events]
    assert events == [(9, Event("EOU", 0.48)), (12, Event("EOB", 0.72))]
    assert [partials[i].final for i in (5, 6, 9)] == ["", "open", "open it"]
    assert len({partial.unfinished for partial in partials}) > 8
    result = stream.finish()
    assert result.text == stream.partial.final == "open it mm now go"
    partials.append(stream.partial)
    assert sum((partial.new_words for partial in partials), ()) == result.words
    assert all(result.text.startswith(partial.final) for partial in partials)


def test_much_at_once_is_taken_in_blocks() -> None:
    encoder = Frames()
    stream = scripted_stream(dict.fromkeys(range(100), "▁a"), encoder)
    assert len(stream.feed(np.zeros(100 * FRAME_SAMPLES)).words) == 100
    assert encoder.largest == 16_000


def test_two_threads_in_one_stream() -> None:
    encoder = Frames()
    encoder.leave.clear()
    stream = scripted_stream({}, encoder)
    other = threading.Thread(target=lambda: stream.feed(np.zeros(10)))
    other.start()
    assert encoder.entered.wait(60)
    with pytest.raises(RuntimeError, match="in use by another thread"):
        stream.feed(np.zeros(10))
    encoder.leave.set()
    other.join()
    stream.feed(np.zeros(10))
    assert stream.finish().duration == 20 / 16_000


def test_times_end_with_the_recording(model: Model, speech: np.ndarray) -> None:
    """Clips that are cut while somebody speaks: encoder frames reach beyond their end."""
    late = 0
    for end in range(16_000, len(speech), 6_400):
        clip = speech[:end]
        stream = model.stream(right_context=1)
        stream.feed(clip)
        for result in (
            model.transcribe(clip),
            model.transcribe(clip, decoder="ctc"),
            stream.finish(),
        ):
            for part in (*result.words, *result.segments, *result.tokens):
                assert part.start <= part.end <= result.duration
            frames = [token.frame for token in result.tokens if token.frame is not None]
            late += any((frame + 1) * 0.08 > result.duration for frame in frames)
        assert stream.partial.words == result.words
    assert late
