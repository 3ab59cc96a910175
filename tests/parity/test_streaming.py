"""Cache-aware streaming against NeMo's own loop, chunk by chunk, on every instruction set.

`tests/data/README.md` says how NeMo's results were made.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from comparison import followed

import parrotlet
from parrotlet import Decoding, _core
from parrotlet.audio import read_audio

DATA = Path(__file__).parent.parent / "data"
STREAMING = sorted(
    path.parent.name
    for path in DATA.glob("*/expected.json")
    if any(key.startswith("stream_") for key in json.loads(path.read_text("utf-8")).popitem()[1])
)
AFTER_SILENCE = json.loads((DATA / "after_silence.json").read_text("utf-8"))
HYBRID = "stt_en_fastconformer_hybrid_large_streaming_multi"
SAMPLE_RATE = 16_000


@pytest.fixture
def load(converted):
    """`load(architecture)`: the f32 model, or the demo, which comes as q8_0."""

    def load(architecture):
        path = "demo" if architecture == "demo" else converted(architecture, "f32")
        return parrotlet.load(path, threads=1)

    return load


@pytest.fixture
def cases(data_dir, audio_dir, examples_dir):
    """`cases(architecture)`: (samples, NeMo's result, NeMo's arrays, right context) of each."""

    def cases(architecture):
        everything = json.loads((data_dir / architecture / "expected.json").read_text("utf-8"))
        for clip, results in everything.items():
            directory = examples_dir if architecture == "demo" else audio_dir
            samples = read_audio(directory / f"{clip}.wav", SAMPLE_RATE)
            arrays = np.load(data_dir / architecture / f"{clip}.npz")
            for key, result in results.items():
                if key.startswith("stream_"):
                    right = int(key.removeprefix("stream_"))
                    yield samples, result, arrays[key], right

    return cases


def pieces(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def in_pieces(stream, samples, size):
    for piece in pieces(samples, size):
        stream.feed(piece)
    return stream.finish()


def encoder_stream(model, right):
    contexts = model.metadata["conformer.attention.contexts"]
    left = next(a for a, b in zip(contexts[::2], contexts[1::2], strict=True) if b == right)
    return _core.Stream(model._core, left, right)


def encode(model, samples, right, size):
    """The encoder output of all chunks joined."""
    stream = encoder_stream(model, right)
    return np.concatenate(
        [stream.feed(piece) for piece in pieces(samples, size)] + [stream.finish()]
    )


def ids(result):
    return [token.id for token in result.tokens]


def assert_a_chunk_apart_at_most(partials, expected):
    """The demo is quantised: it may say a token one chunk before or after NeMo does."""
    assert len(partials) == len(expected)
    for i, partial in enumerate(partials):
        assert partial.startswith(expected[max(i - 1, 0)])
        assert expected[min(i + 1, len(expected) - 1)].startswith(partial)


def test_there_is_something_to_test():
    assert len(STREAMING) == 5


@pytest.mark.parametrize("architecture", STREAMING)
def test_text_after_every_chunk(architecture, isa, load, cases):
    model = load(architecture)
    for samples, expected, _, right in cases(architecture):
        # NeMo leaves tags of languages in the text.
        stream = model.stream(right, decoding=Decoding(keep_language_tags=True))
        partials, result = followed(stream, samples)
        if architecture == "demo":
            assert_a_chunk_apart_at_most(partials, expected["partials"])
        else:
            assert partials == expected["partials"]
        assert ids(result) == expected["tokens"]
        assert result.text == expected["text"]


@pytest.mark.parametrize("architecture", STREAMING)
def test_encoder_output(architecture, isa, load, cases):
    model = load(architecture)
    # The demo is quantised; NeMo's arrays are not.
    tolerance = 2e-1 if architecture == "demo" else 2e-3
    for samples, _, array, right in cases(architecture):
        encoded = encode(model, samples, right, 1000)
        if model.languages:  # a stream gives frames their prompt, by default the first
            array = model._core.give_prompt(array, 0)
        assert encoded.shape == array.shape
        assert np.abs(encoded - array).max() < tolerance


@pytest.mark.parametrize("architecture", STREAMING)
def test_division_into_pieces_changes_nothing(architecture, load, cases):
    model = load(architecture)
    for samples, _, _, right in cases(architecture):
        for decoder in model.heads:
            whole = in_pieces(model.stream(right, decoder), samples, len(samples))
            assert whole.tokens
            for size in (160, 1000, 12_345):
                assert in_pieces(model.stream(right, decoder), samples, size) == whole


@pytest.mark.parametrize("architecture", STREAMING)
def test_one_sample_at_a_time(architecture, load, cases):
    model = load(architecture)
    samples, expected, _, right = next(cases(architecture))
    result = in_pieces(model.stream(right), samples, 1)
    assert ids(result) == expected["tokens"]
    assert result == in_pieces(model.stream(right), samples, len(samples))


def test_int16_samples(load, cases):
    model = load(HYBRID)
    samples, expected, _, right = next(cases(HYBRID))
    integers = np.round(samples * 32768).astype(np.int16)
    assert ids(in_pieces(model.stream(right), integers, 1000)) == expected["tokens"]


def test_ctc_across_chunk_borders(isa, load, cases):
    model = load(HYBRID)
    for samples, _, _, right in cases(HYBRID):
        result = in_pieces(model.stream(right, decoder="ctc"), samples, 1000)
        log_probs = model.ctc_log_probs(encode(model, samples, right, 1000))
        search = _core.Search.of_log_probs(len(model.vocabulary) + 1)
        found = search.feed(log_probs)[0] + search.finish()
        assert result.head == "ctc"
        assert found
        assert [(token.id, token.frame) for token in result.tokens] == [
            (token, frame) for token, frame, _, _ in found
        ]
        assert [token.confidence for token in result.tokens] == pytest.approx(
            [confidence for _, _, _, confidence in found], abs=1e-4
        )


@pytest.mark.parametrize("architecture", sorted(AFTER_SILENCE))
@pytest.mark.parametrize("kind", ["silence", pytest.param("noise", marks=pytest.mark.slow)])
def test_speech_after_two_minutes_of_silence(architecture, kind, load, audio_dir, examples_dir):
    model = load(architecture)
    demo = architecture == "demo"
    clip = examples_dir / "spelled.wav" if demo else audio_dir / "clip01.wav"
    quiet = quiet_samples(kind, 120 * SAMPLE_RATE)
    for right in model.right_contexts:
        stream = model.stream(right)
        stream.feed(quiet)
        stream.feed(read_audio(clip, SAMPLE_RATE))
        result = stream.finish()
        expected = AFTER_SILENCE[architecture][kind][f"stream_{right}"]
        assert ids(result) == expected["tokens"]
        assert result.text == expected["text"]


def quiet_samples(kind, count):
    """Digital silence, or noise 64 dB below full scale, as `tests/data/README.md` defines it."""
    if kind == "silence":
        return np.zeros(count, np.float32)
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return ((x % np.uint32(41)).astype(np.float32) - 20) / 32768


@pytest.fixture
def recordings(audio_dir, examples_dir):
    """Eight different recordings."""
    paths = [*sorted(examples_dir.glob("*.wav")), *sorted(audio_dir.glob("*.wav"))][:8]
    return [read_audio(path, SAMPLE_RATE) for path in paths]


@pytest.mark.parametrize("architecture", ["demo", HYBRID])
def test_eight_streams_interleaved(architecture, load, recordings):
    model = load(architecture)
    rights = [model.right_contexts[i % len(model.right_contexts)] for i in range(8)]
    alone = [
        in_pieces(model.stream(right), samples, 1000)
        for right, samples in zip(rights, recordings, strict=True)
    ]
    assert len({result.text for result in alone}) > 4
    streams = [model.stream(right) for right in rights]
    for start in range(0, max(map(len, recordings)), 1000):
        for stream, samples in zip(streams, recordings, strict=True):
            stream.feed(samples[start : start + 1000])
    assert [stream.finish() for stream in streams] == alone


@pytest.mark.parametrize("threads", [1, 2])
def test_eight_streams_on_eight_threads(threads, recordings):
    model = parrotlet.load("demo", threads=threads)
    alone = [in_pieces(model.stream(1), samples, 1000) for samples in recordings]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda samples: in_pieces(model.stream(1), samples, 1000), recordings)
        )
    assert together == alone


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_hour_in_constant_memory(examples_dir):
    """In a process of its own, whose memory nothing else uses."""
    script = Path(__file__).with_name("hour.py")
    command = [sys.executable, str(script), str(examples_dir / "example.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after_5_minutes, after_60_minutes, words = map(int, done.stdout.split())
    assert words > 5000
    assert after_60_minutes - after_5_minutes < 2_000_000
