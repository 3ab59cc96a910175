"""Buffered streaming against NeMo's own loop, chunk by chunk, on every instruction set.

`tests/data/README.md` says how NeMo's results were made.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from comparison import followed
from gguf_files import rewrite

import parrotlet
from parrotlet import _core
from parrotlet.audio import read_audio

DATA = Path(__file__).parent.parent / "data"
UNIFIED = "parakeet-unified-en-0.6b"
EDGES = json.loads((DATA / "buffered.json").read_text("utf-8"))
FRAME, SAMPLE_RATE = 1280, 16_000


@pytest.fixture
def cases(data_dir, audio_dir):
    """(samples, NeMo's result, NeMo's array, (left, chunk, right)) of the clips."""
    everything = json.loads((data_dir / UNIFIED / "expected.json").read_text("utf-8"))
    found = []
    for clip, results in everything.items():
        samples = read_audio(audio_dir / f"{clip}.wav", SAMPLE_RATE)
        arrays = np.load(data_dir / UNIFIED / f"{clip}.npz")
        for key, result in results.items():
            if key.startswith("buffered_"):
                context = tuple(map(int, key.split("_")[1:]))
                found.append((samples, result, arrays[key], context))
    assert len(found) == 6
    return found


def start(model, context):
    left, chunk, right = context
    return model.stream(right, chunk_size=chunk, left_context=left)


def core_stream(model, context):
    """The encoder of a stream whose windows are masked."""
    left, chunk, right = context
    return _core.BufferedStream(model._core, context, (left, right, chunk))


def pieces(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def encode(stream, samples, size=1000):
    """The encoder output of all chunks joined."""
    return np.concatenate(
        [stream.feed(piece) for piece in pieces(samples, size)] + [stream.finish()]
    )


def ids(result):
    return [token.id for token in result.tokens]


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_text_after_every_chunk(kind, run, converted, cases):
    model = parrotlet.load(converted(UNIFIED, kind), threads=run)
    for samples, expected, _, context in cases:
        partials, result = followed(start(model, context), samples)
        assert partials == expected["partials"]
        assert ids(result) == expected["tokens"]
        assert result.text == expected["text"]


def test_q8_0_says_the_same_where_nemo_is_sure(run, converted, cases):
    model = parrotlet.load(converted(UNIFIED, "q8_0"), threads=run)
    sure = [case for case in cases if case[1]["margin"] > 0.5]
    assert sure
    for samples, expected, _, context in sure:
        partials, _ = followed(start(model, context), samples)
        assert partials == expected["partials"]


def test_encoder_output(run, converted, cases):
    model = parrotlet.load(converted(UNIFIED, "f32"), threads=run)
    for samples, _, array, context in cases:
        encoded = encode(core_stream(model, context), samples)
        assert encoded.shape == array.shape
        assert np.abs(encoded - array).max() < 2e-3


@pytest.mark.parametrize("architecture", EDGES)
def test_edges_and_models_that_were_not_trained_for_it(architecture, converted, audio_dir):
    model = parrotlet.load(converted(architecture, "f32"), threads=1)
    for case in EDGES[architecture]:
        clip = read_audio(audio_dir / f"{case['clip']}.wav", SAMPLE_RATE)[: case["samples"]]
        samples = np.concatenate([np.zeros(case["silence"], np.float32), clip])
        partials, result = followed(start(model, case["context"]), samples)
        expected = case["partials"]
        _, chunk, right = case["context"]
        if not (len(samples) - right * FRAME) % (chunk * FRAME):
            # NeMo knows that the recording ends with this window. A stream does not: it takes the
            # chunk at once, and what is after it when it ends.
            assert len(partials) == len(expected) + 1
            del partials[-2]
        assert partials == expected
        assert ids(result) == case["tokens"]


def test_division_into_pieces_changes_nothing(converted, cases):
    model = parrotlet.load(converted(UNIFIED, "f32"), threads=1)
    for samples, _, _, context in cases:
        whole = encode(core_stream(model, context), samples, len(samples))
        for size in (160, 1000, 12_345):
            np.testing.assert_array_equal(encode(core_stream(model, context), samples, size), whole)


def test_one_sample_at_a_time(converted, cases):
    model = parrotlet.load(converted(UNIFIED, "f32"), threads=1)
    samples, _, _, context = cases[0]
    whole = encode(core_stream(model, context), samples, len(samples))
    np.testing.assert_array_equal(encode(core_stream(model, context), samples, 1), whole)


@pytest.mark.parametrize("context", [(14, 4, 4), (14, 4, 0), (0, 1, 0), (3, 2, 5), (500, 7, 7)])
def test_every_frame_is_of_the_window_of_its_chunk(context, converted, cases):
    """Also without a right context, where NeMo 3.0 takes the first chunk twice and the others one
    chunk late: ContextSize.add_frames_get_removed_ leaves the chunk empty at first."""
    left, chunk, right = context
    model = parrotlet.load(converted(UNIFIED, "f32"), threads=1)
    samples = cases[0][0][: 33 * FRAME + 700]
    frames = encode(core_stream(model, context), samples)
    expected = []
    for first in range(0, len(samples) // FRAME, chunk):
        end = first + chunk + right
        if end * FRAME > len(samples):
            break
        begin = max(0, first - left)
        window = samples[begin * FRAME : end * FRAME]
        encoded = model._core.encode(model.features(window), left, right, chunk)
        expected.append(encoded[first - begin : first - begin + chunk])
    done = sum(map(len, expected))
    np.testing.assert_array_equal(frames[:done], np.concatenate(expected))
    # The last window ends with the recording, and is no longer than the others.
    begin = max(0, len(samples) - (left + chunk + right) * FRAME)
    encoded = model._core.encode(model.features(samples[begin:]), left, right, chunk)
    before = (done * FRAME - begin) // FRAME
    np.testing.assert_array_equal(frames[done:], encoded[before:])


def test_a_beam_and_a_ctc_head(converted, cases):
    model = parrotlet.load(converted("parakeet-tdt_ctc-110m", "f32"), threads=1)
    samples, context = cases[0][0], (20, 10, 10)
    left, chunk, right = context
    frames = encode(_core.BufferedStream(model._core, context, (-1, -1, -1)), samples)
    stream = model.stream(right, "ctc", chunk_size=chunk, left_context=left)
    stream.feed(samples)
    search = _core.Search.of_log_probs(len(model.vocabulary) + 1)
    found = search.feed(model.ctc_log_probs(frames))[0] + search.finish()
    tokens = stream.finish().tokens
    assert [(token.id, token.frame) for token in tokens] == [(t, frame) for t, frame, _, _ in found]

    decoding = parrotlet.Decoding(beam=2, nbest=2)
    stream = model.stream(right, decoding=decoding, chunk_size=chunk, left_context=left)
    stream.feed(samples)
    result = stream.finish()
    assert result.text == result.alternatives[0].text != ""


def test_quantised_attention_in_chunks(isa, converted, tmp_path, data_dir):
    """Its keys are bytes; the tiny unified model is too narrow for blocks."""
    style = {"conformer.attention.style": "chunked_limited_with_rc"}
    encoded = {}
    for kind in ("f32", "q8_0"):
        path = tmp_path / f"{kind}.gguf"
        rewrite(converted("parakeet-rnnt-0.6b", kind), path, style)
        core = _core.Model(str(path), 2)
        features = np.load(data_dir / "parakeet-rnnt-0.6b" / "clip01.npz")["features"]
        for context in ((-1, -1, -1), (14, 4, 4), (14, 1, 2)):
            encoded[kind, context] = core.encode(features, *context)
    errors = [
        np.abs(encoded["q8_0", context] - encoded["f32", context]).mean()
        for context in ((-1, -1, -1), (14, 4, 4), (14, 1, 2))
    ]
    assert max(errors[1:]) < 1.5 * errors[0]
    assert np.abs(encoded["f32", (14, 4, 4)] - encoded["f32", (-1, -1, -1)]).mean() > 5 * errors[0]
