"""Every stage against NeMo's own arrays and texts, on every architecture, instruction set and
number of threads. `tests/data/README.md` says how NeMo made them.
"""

import json

import numpy as np
import pytest
from comparison import check_stages, check_tokens

import parrotlet
from parrotlet import Decoding, _core
from parrotlet.audio import read_audio

CLIPS = ["clip01", "clip04", "clip06"]


def right_context(expected):
    """The one at which NeMo's offline results were made, None for the default."""
    return expected["att_context_size"][1] if "att_context_size" in expected else None


def heads(expected):
    """(settings of `transcribe`, NeMo's result) for every head of a model, and every language.

    NeMo leaves tags of languages in the text.
    """
    for language, results in expected.get("prompts", {None: expected}).items():
        for kind in ("rnnt", "tdt", "ctc"):
            if kind in results:
                head = "ctc" if kind == "ctc" else "transducer"
                decoding = Decoding(head=head, keep_language_tags=True)
                settings = {"decoding": decoding, "language": language}
                yield settings | {"right_context": right_context(expected)}, results[kind]


def whole_words(expected):
    """NeMo's words. Where a character is spelled in bytes NeMo begins a word at every byte; those
    are put together, and read as the text has them."""
    words = []
    for word in expected["words"]:
        if word["word"].startswith("\N{REPLACEMENT CHARACTER}"):
            words[-1] = {**words[-1], "end": word["end"]}
        else:
            words.append(word)
    texts = expected["text"].split()
    return [{**word, "word": text} for word, text in zip(words, texts, strict=True)]


def check_words(result, expected, frame):
    """Compare words and their times, which may differ by a frame."""
    for word, theirs in zip(result.words, expected, strict=True):
        assert word.word == theirs["word"]
        # NeMo's last frames reach beyond the recording.
        start, end = (min(theirs[key], result.duration) for key in ("start", "end"))
        assert abs(word.start - start) <= frame
        assert abs(word.end - end) <= frame


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_stages(architecture, kind, run, data_dir, audio_dir, converted):
    model = parrotlet.load(converted(architecture, kind), threads=run)
    everything = json.loads((data_dir / architecture / "expected.json").read_text("utf-8"))
    for clip in CLIPS:
        arrays = np.load(data_dir / architecture / f"{clip}.npz")
        right = right_context(everything[clip])
        samples = read_audio(audio_dir / f"{clip}.wav", model.sample_rate)
        check_stages(model, kind, samples, arrays, right)


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_tokens_from_the_audio_file_on(architecture, kind, run, data_dir, audio_dir, converted):
    model = parrotlet.load(converted(architecture, kind), threads=run)
    everything = json.loads((data_dir / architecture / "expected.json").read_text("utf-8"))
    frame = model.frame_seconds
    for clip in CLIPS:
        for settings, expected in heads(everything[clip]):
            result = model.transcribe(audio_dir / f"{clip}.wav", **settings)
            check_tokens(result, expected)
            if expected.get("durations"):
                assert [token.duration for token in result.tokens] == expected["durations"]
            if expected["words"]:
                check_words(result, whole_words(expected), frame)
            else:  # NeMo gives none of several languages
                assert [word.word for word in result.words] == expected["text"].split()


def test_q8_0_says_the_same_where_nemo_is_sure(architecture, run, data_dir, audio_dir, converted):
    model = parrotlet.load(converted(architecture, "q8_0"), threads=run)
    everything = json.loads((data_dir / architecture / "expected.json").read_text("utf-8"))
    for clip in CLIPS:
        for settings, expected in heads(everything[clip]):
            if expected["margin"] <= 0.5:
                continue
            result = model.transcribe(audio_dir / f"{clip}.wav", **settings)
            assert result.text == expected["text"]


def test_instruction_sets_agree_on_q8_0(architecture, data_dir, converted, monkeypatch):
    """Quantised products are exact in integers. What remains is the order of float sums, and
    quants of activations at a rounding border that fall the other way: less than quantisation.
    """
    path = converted(architecture, "q8_0")
    arrays = np.load(data_dir / architecture / "clip01.npz")
    outputs = {}
    for isa in _core.available_isas():
        monkeypatch.setenv("PARROTLET_ISA", isa)
        outputs[isa] = parrotlet.load(path, threads=1).encode(arrays["features"])
    quantisation = np.abs(outputs["scalar"] - arrays["encoder"]).mean()
    for encoded in outputs.values():
        assert np.abs(encoded - outputs["scalar"]).mean() < quantisation
