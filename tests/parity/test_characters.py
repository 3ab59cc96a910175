"""Characters in cache-aware streams, for both heads of a hybrid, against NeMo's texts."""

import json

import pytest
from comparison import check_tokens, followed

import parrotlet
from parrotlet.audio import read_audio


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("characters") / "streaming.gguf"
    return parrotlet.load(
        parrotlet.convert(data_dir / "characters" / "streaming.nemo", path, type="f32"), 1
    )


@pytest.fixture(scope="module")
def nemo(data_dir):
    return json.loads((data_dir / "characters" / "streaming.json").read_text("utf-8"))


@pytest.mark.parametrize("clip", ["clip01", "clip04"])
@pytest.mark.parametrize("head", ["rnnt", "ctc"])
def test_whole_and_in_streams(model, nemo, audio_dir, clip, head):
    """NeMo says nothing of the tokens of its CTC head in streams."""
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
