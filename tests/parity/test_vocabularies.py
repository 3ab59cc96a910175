"""Vocabularies that no published model of `tests/data` has, against NeMo's texts: Japanese pieces
with byte fallback, and characters in cache-aware streams.
"""

import json

import pytest
from comparison import check_tokens, followed

import parrotlet
from parrotlet.audio import read_audio


@pytest.fixture(scope="module")
def load(data_dir, tmp_path_factory):
    """`load(name)`: the f32 model of a checkpoint, and NeMo's results."""
    loaded = {}

    def load(name):
        if name not in loaded:
            path = tmp_path_factory.mktemp("vocabularies") / "model.gguf"
            made = parrotlet.convert(data_dir / f"{name}.nemo", path, type="f32")
            nemo = json.loads((data_dir / f"{name}.json").read_text("utf-8"))
            loaded[name] = parrotlet.load(made, 1), nemo
        return loaded[name]

    return load


@pytest.mark.parametrize("clip", ["clip01", "clip04", "clip06"])
@pytest.mark.parametrize("head", ["tdt", "ctc"])
def test_japanese(load, audio_dir, clip, head):
    japanese, nemo = load("languages/ja")
    expected = nemo[clip][head]
    decoding = parrotlet.Decoding(head=head)
    result = japanese.transcribe(audio_dir / f"{clip}.wav", decoding=decoding)
    check_tokens(result, expected)
    if head == "tdt":
        assert [token.duration for token in result.tokens] == expected["durations"]
    # Words are divided where a line may be broken; together they are the text.
    words = "".join(word.word for word in result.words)
    assert words == result.text.replace(" ", "")


@pytest.mark.parametrize("clip", ["clip01", "clip04"])
@pytest.mark.parametrize("head", ["rnnt", "ctc"])
def test_characters_whole_and_in_streams(load, audio_dir, clip, head):
    """A hybrid; NeMo says nothing of the tokens of its CTC head in streams."""
    model, nemo = load("characters/streaming")
    samples = read_audio(audio_dir / f"{clip}.wav", model.sample_rate)
    decoding = parrotlet.Decoding(head=head)
    (right,) = model.right_contexts
    whole, expected = model.transcribe(samples, decoding=decoding), nemo[clip][head]
    texts, live = followed(model.stream(right, decoding=decoding), samples)
    expected_live = nemo[clip][f"{head}_stream_{right}"]
    assert texts == expected_live["partials"]
    for result, theirs in ((whole, expected), (live, expected_live)):
        if "tokens" in theirs:
            check_tokens(result, theirs)
        assert result.text == theirs["text"]
