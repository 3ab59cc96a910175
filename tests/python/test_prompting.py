"""Which prompt a language stands for, and what is said of one that a model does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from nemo_files import DATA, Nemo

import parrotlet
from parrotlet import Decoding, Model
from parrotlet.architectures.prompt import Prompt
from parrotlet.audio import read_audio
from parrotlet.prompting import Prompting, find_prompting

NAME = "nemotron-3.5-asr-streaming-0.6b"
PROMPT = Prompt.of_dictionary(128, 64, {"en-US": 0, "de": 9, "zh-CN": 4, "zh-TW": 5, "auto": 101})


@pytest.fixture
def model(converted: Callable[[str, str], Path]) -> Model:
    return parrotlet.load(converted(NAME, "f32"), threads=2)


@pytest.fixture
def clip(audio_dir: Path) -> np.ndarray:
    return read_audio(audio_dir / "clip04.wav", 16_000)


@pytest.mark.parametrize(
    ("language", "found"),
    [
        (None, Prompting("auto", 101)),
        ("auto", Prompting("auto", 101)),
        ("de", Prompting("de", 9)),
        ("EN_us", Prompting("en-US", 0)),
        ("zh-TW", Prompting("zh-TW", 5)),
    ],
)
def test_languages(language, found) -> None:
    assert find_prompting(language, PROMPT, "tiny") == found
    assert found.language == (None if found.name == "auto" else found.name)


@pytest.mark.parametrize(
    ("language", "nearest"), [("zh", "zh-CN, zh-TW"), ("en-GB", "en-US"), ("de-DE", "de"), ("", "")]
)
def test_a_language_that_there_is_not(language: str, nearest: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^language is '{language}'; tiny has {nearest}"
    ) as error:
        find_prompting(language, PROMPT, "tiny")
    assert all(name in str(error.value) for name in PROMPT.languages)
    with pytest.raises(ValueError, match=r"^language is 3; tiny has"):
        find_prompting(3, PROMPT, "tiny")  # type: ignore[arg-type]


def test_models_without_prompts_or_without_a_default() -> None:
    assert find_prompting(None, None, "tiny") == Prompting(None, 0)
    with pytest.raises(ValueError, match=r"'de', but tiny is not told a language; leave it out$"):
        find_prompting("de", None, "tiny")
    some = Prompt.of_dictionary(4, 64, {"en": 0, "de": 1})
    assert find_prompting("de", some, "tiny") == Prompting("de", 1)
    with pytest.raises(ValueError, match=r"^tiny has no default language; choose one of en, de$"):
        find_prompting(None, some, "tiny")


def test_what_the_model_says_of_languages(model, clip, converted) -> None:
    assert model.languages[0] == "en-US"
    assert "auto" in model.languages
    for call in (
        lambda: model.transcribe(clip, language="xx"),
        lambda: model.transcribe_batch([clip], language="xx"),
        lambda: model.stream(language="xx"),
        lambda: model.prompted(np.zeros((1, 32), np.float32), "xx"),
    ):
        with pytest.raises(ValueError, match=r"^language is 'xx'; .* has "):
            call()
    other = parrotlet.load(converted("parakeet-ctc-0.6b", "q8_0"), threads=1)
    assert other.languages == ()
    with pytest.raises(ValueError, match=r"is not told a language; leave it out"):
        other.transcribe(clip, language="en-US")
    with pytest.raises(ValueError, match=r"the model has no prompts"):
        other.prompted(np.zeros((1, 64), np.float32))


def test_the_language_of_a_stream(model, clip) -> None:
    stream = model.stream()
    assert stream.language == "auto"
    with pytest.raises(ValueError, match=r"^language is 'xx'; "):
        stream.language = "xx"
    stream.language = "DE"
    assert stream.language == "de"
    assert stream.feed(clip).language in ("de", "de-DE")
    result = stream.finish()
    assert result.text == "das rote haus"
    assert result.language == result.segments[0].language == "de-DE"
    with pytest.raises(ValueError, match=r"the stream is finished"):
        stream.language = "auto"


def test_a_batch_has_one_language(model, audio_dir) -> None:
    clips = [audio_dir / f"{name}.wav" for name in ("clip01", "clip04", "clip06")]
    outcomes = list(model.transcribe_batch(clips, language="de-DE"))
    texts = [(outcome.result.text, outcome.result.language) for outcome in outcomes]
    assert texts == [(text, "de-DE") for text in ("der hund", "das rote haus", "sieben drei")]


def test_windows_of_a_long_recording_keep_the_language(model, clip) -> None:
    """Clips between stretches of digital silence, each a section by itself."""
    silence = np.zeros(16_000, np.float32)
    long = np.concatenate([part for _ in range(25) for part in (clip, silence)])
    assert len(long) / 16_000 > 60
    result = model.transcribe(long, language="de-DE")
    assert result.text == " ".join(["das rote haus"] * 25)
    assert {segment.language for segment in result.segments} == {"de-DE"}
    assert result.language == "de-DE"


def test_channels_keep_their_languages(model, clip, tmp_path) -> None:
    path = tmp_path / "two.wav"
    soundfile.write(path, np.stack([clip, clip], axis=1), 16_000)
    result = model.transcribe(path, language="de-DE", split_channels=True)
    assert result.language == "de-DE"
    assert [(s.speaker, s.language) for s in result.segments] == [("1", "de-DE"), ("2", "de-DE")]


DECODINGS = {
    "malsd": Decoding(beam=4, nbest=2),
    "maes": Decoding(beam=4, strategy="maes_batch"),
    "phrases": Decoding(phrases=["haus"]),
    "both": Decoding(phrases=["haus"], beam=4),
}


@pytest.mark.parametrize("search", DECODINGS)
def test_every_search_has_the_language(model, clip, search) -> None:
    decoding = DECODINGS[search]
    result = model.transcribe(clip, language="de-DE", decoding=decoding)
    assert result.text == "das rote haus"
    assert result.language == "de-DE"
    assert all("<" not in one.text for one in result.alternatives)
    stream = model.stream(language="de-DE", decoding=decoding)
    stream.feed(clip)
    assert stream.finish().text == "das rote haus"


def test_recordings_that_are_encoded_together(model, clip) -> None:
    """`Recognition` gives all of them the prompt."""
    recognition = model._recognition(Decoding(), model._config.context(None), "de-DE")
    alone = recognition.recognise([clip])
    assert recognition.recognise([clip, clip[::-1].copy(), clip])[::2] == [*alone, *alone]


def test_a_hybrid_model(tmp_path: Path, audio_dir: Path) -> None:
    """NeMo's EncDecHybridRNNTCTCBPEModelWithPrompt: its CTC head takes prompted frames, too."""
    nemo = Nemo.read(DATA / NAME / "model.nemo")
    nemo.config["target"] = (
        "nemo.collections.asr.models.hybrid_rnnt_ctc_bpe_models_prompt."
        "EncDecHybridRNNTCTCBPEModelWithPrompt"
    )
    nemo.config["aux_ctc"] = {
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": 32,
            "num_classes": 128,
        }
    }
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((129, 32, 1)).astype(np.float32)
    nemo.state["ctc_decoder.decoder_layers.0.weight"] = weight
    nemo.state["ctc_decoder.decoder_layers.0.bias"] = np.zeros(129, np.float32)
    path = parrotlet.convert(nemo.write(tmp_path / "h.nemo"), tmp_path / "h.gguf", type="f32")
    model = parrotlet.load(path, threads=1)
    assert model.heads == ("rnnt", "ctc")
    samples = read_audio(audio_dir / "clip04.wav", 16_000)
    encoded = model.encode(model.features(samples))
    found = {}
    for language in ("auto", "de-DE"):
        prompted = model.prompted(encoded, language)
        logits = prompted @ weight[:, :, 0].T
        expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        np.testing.assert_allclose(model.ctc_log_probs(prompted), expected, atol=1e-4)
        labels = expected.argmax(-1)
        kept = [
            label
            for i, label in enumerate(labels)
            if label != 128 and (i == 0 or labels[i - 1] != label)
        ]
        result = model.transcribe(samples, language=language, decoding=Decoding(head="ctc"))
        assert [token.id for token in result.tokens] == kept
        found[language] = kept
    assert found["auto"] != found["de-DE"]
