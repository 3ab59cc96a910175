"""Vocabularies of other scripts, against NeMo's texts: Japanese pieces with byte fallback."""

import json

import pytest
from comparison import check_tokens

import parrotlet


@pytest.fixture(scope="module")
def japanese(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("ja") / "ja.gguf"
    return parrotlet.load(
        parrotlet.convert(data_dir / "languages" / "ja.nemo", path, type="f32"), 1
    )


@pytest.fixture(scope="module")
def nemo(data_dir):
    return json.loads((data_dir / "languages" / "ja.json").read_text("utf-8"))


@pytest.mark.parametrize("clip", ["clip01", "clip04", "clip06"])
@pytest.mark.parametrize("head", ["tdt", "ctc"])
def test_japanese(japanese, nemo, audio_dir, clip, head):
    expected = nemo[clip][head]
    decoding = parrotlet.Decoding(head=head)
    result = japanese.transcribe(audio_dir / f"{clip}.wav", decoding=decoding)
    check_tokens(result, expected)
    if head == "tdt":
        assert [token.duration for token in result.tokens] == expected["durations"]
    # Words are divided where a line may be broken; together they are the text.
    words = "".join(word.word for word in result.words)
    assert words == result.text.replace(" ", "")
