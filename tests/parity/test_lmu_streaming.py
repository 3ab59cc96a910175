"""Streams of recurrent LMU models: the offline model frame by frame, to the bit."""

import dataclasses
import itertools

import numpy as np
import pytest

import parrotlet
from parrotlet import UnsupportedModelError, _core
from parrotlet.audio import read_audio

TEXT = "the quick brown fox jumps over the lazy dog"
LIVE = ["lmu/recurrent-live", "lmu/fft"]  # features that are not normalised
PREVIEW = "lmu/recurrent"  # features that are, over the recording


@pytest.fixture
def samples(audio_dir):
    return read_audio(audio_dir / "clip01.wav", 16_000)


def pieces(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def in_pieces(stream, samples, size):
    partials = [stream.feed(piece) for piece in pieces(samples, size)]
    return partials, stream.finish()


def frames_of(path, samples, size, threads=1):
    stream = _core.Stream(_core.Model(str(path), threads), -1, 0)
    return np.concatenate([*map(stream.feed, pieces(samples, size)), stream.finish()])


@pytest.mark.parametrize("kind", ["f32", "q8_0"])
@pytest.mark.parametrize("architecture", LIVE)
def test_the_encoder_to_the_bit(architecture, kind, isa, converted, samples):
    path = converted(architecture, kind)
    for threads in (1, 2):
        model = parrotlet.load(path, threads=threads)
        offline = model.encode(model.features(samples))
        for size in (len(samples), 1, 160, 333, 7777):
            if size == 1 and (isa == "scalar" or threads > 1):
                continue  # slow, and the same code
            streamed = frames_of(path, samples, size, threads)
            np.testing.assert_array_equal(streamed, offline)


@pytest.mark.parametrize("architecture", LIVE)
def test_text_while_it_is_spoken(architecture, converted, samples):
    model = parrotlet.load(converted(architecture, "f32"), threads=1)
    assert model.can_stream
    assert model.right_contexts == ()
    stream = model.stream()
    assert (stream.right_context, stream.chunk_seconds, stream.is_preview) == (0, 0.01, False)
    partials, result = in_pieces(stream, samples, 333)
    assert result.text == TEXT
    assert result == dataclasses.replace(model.transcribe(samples), audio=None)
    finals = [partial.final for partial in partials]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(finals))
    half = finals[len(finals) // 2]
    assert half and TEXT.startswith(half) and half != TEXT
    for size in (1000, 12_345, len(samples)):
        assert in_pieces(model.stream(), samples, size)[1] == result


@pytest.mark.slow
def test_a_minute(converted, samples):
    """Longer than any block that the offline encoder works in."""
    path = converted(LIVE[0], "f32")
    minute = np.tile(samples, 21)
    assert len(minute) > 60 * 16_000
    model = parrotlet.load(path, threads=2)
    offline = model.encode(model.features(minute))
    np.testing.assert_array_equal(frames_of(path, minute, 4321), offline)
    whole = model.transcribe(minute, window=float("inf"))
    assert whole.text == in_pieces(model.stream(), minute, 16_000)[1].text


def test_streams_are_independent(converted, samples):
    model = parrotlet.load(converted(LIVE[0], "f32"), threads=1)
    alone = [in_pieces(model.stream(), s, 1000)[1] for s in (samples, samples[::-1])]
    assert alone[0].text != alone[1].text
    streams = [model.stream(), model.stream()]
    for forward, backward in zip(pieces(samples, 1000), pieces(samples[::-1], 1000), strict=True):
        streams[0].feed(forward)
        streams[1].feed(backward)
    assert [stream.finish() for stream in streams] == alone


def test_a_preview_ends_in_what_transcribe_says(isa, converted, samples):
    model = parrotlet.load(converted(PREVIEW, "f32"), threads=1)
    offline = dataclasses.replace(model.transcribe(samples), audio=None)
    stream = model.stream()
    assert stream.is_preview
    partials, result = in_pieces(stream, samples, 1777)
    assert result == offline
    assert result.text == TEXT
    for partial in partials:
        assert partial.final == ""
        assert partial.text == partial.unfinished
        assert (partial.new_words, partial.new_lines, partial.events) == ((), ("",), ())
    assert not stream.is_preview
    assert stream.partial.final == stream.partial.text == TEXT
    assert [word.word for word in stream.partial.new_words] == TEXT.split()
    assert "".join(stream.partial.new_lines) == TEXT


def test_a_preview_shows_something_and_does_not_depend_on_the_pieces(converted, samples):
    model = parrotlet.load(converted(PREVIEW, "f32"), threads=1)
    texts = []
    for size in (160, 1777, 16_000):
        stream = model.stream()
        for piece in pieces(samples, size):
            partial = stream.feed(piece)
        texts.append((partial.text, len(partial.words)))
        assert partial.time == pytest.approx(len(samples) / 16_000, abs=0.03)
    assert texts[0][0].strip()
    assert len(set(texts)) == 1
    stream = model.stream()  # it starts with a second, whose mean and deviation stand for the whole
    assert stream.feed(samples[:15_000]).time == 0
    assert stream.feed(samples[15_000:16_500]).time >= 1


@pytest.mark.parametrize("count", [0, 100, 320, 5000])
def test_short_and_silent_previews(converted, samples, count):
    model = parrotlet.load(converted(PREVIEW, "f32"), threads=1)
    stream = model.stream()
    stream.feed(np.zeros(count, np.float32))
    assert stream.finish().text == ""
    assert in_pieces(model.stream(), np.zeros(50_000), 7000)[1].text == ""
    if count >= 320:
        expected = dataclasses.replace(model.transcribe(samples[:count]), audio=None)
        assert in_pieces(model.stream(), samples[:count], 77)[1] == expected


def test_a_long_preview_is_revised_in_parts(converted, samples):
    path = converted(PREVIEW, "f32")
    model = parrotlet.load(path, threads=2)
    long = np.tile(samples, 9)
    stream = _core.Stream(_core.Model(str(path), 2), -1, 0)
    stream.feed(long)
    assert len(stream.revise()) == 0  # not before the end
    assert len(stream.finish()) == 0
    parts = []
    while len(part := stream.revise()):
        parts.append(part)
    assert len(parts) > 2
    np.testing.assert_array_equal(np.concatenate(parts), model.encode(model.features(long)))


@pytest.mark.parametrize("architecture", ["lmu/attention", "lmu/fft-attention"])
def test_attention_sees_the_whole_recording(architecture, converted):
    model = parrotlet.load(converted(architecture, "f32"), threads=1)
    assert not model.can_stream
    with pytest.raises(UnsupportedModelError, match=r"self-attention.*whole recording.*transcribe"):
        model.stream()
    with pytest.raises(ValueError, match="cannot stream"):
        _core.Stream(model._core, -1, 0)


def test_there_is_no_choice_of_the_right_context(converted):
    model = parrotlet.load(converted(PREVIEW, "f32"), threads=1)
    with pytest.raises(ValueError, match=r"recurrent.*leave it out"):
        model.stream(right_context=2)
