"""OpenAI's client against a running server: what it gets is what the package finds."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openai
import pytest
from openai.types.audio import TranscriptionVerbose
from serve_client import wav
from sound_files import make

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.decoding.confidence import log_prob
from parrotlet.serve.errors import ApiError
from parrotlet.serve.transcription.fields import decoding_for, language_for

LONG_SECONDS = 62
"""More than one pass."""


@pytest.fixture(scope="module")
def long(example: Path) -> bytes:
    """A recording in several windows."""
    samples = read_audio(example, 16_000)
    times = math.ceil(LONG_SECONDS * 16_000 / len(samples))
    return wav(np.tile(np.pad(samples, (0, 8000)), times))


def test_json(server, example, transcribed) -> None:
    with server.openai() as client, example.open("rb") as file:
        found = client.audio.transcriptions.create(file=file, model="demo", temperature=0.2)
    assert found.text == transcribed.text
    assert found.usage.type == "duration"
    assert found.usage.seconds == math.ceil(transcribed.duration)
    assert found.logprobs is None


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
def test_text_and_subtitles(server, example, transcribed, format) -> None:
    with server.openai() as client, example.open("rb") as file:
        found = client.audio.transcriptions.create(file=file, model="demo", response_format=format)
    assert found == parrotlet.render(transcribed, format)


@pytest.mark.parametrize("wanted", [["word"], ["segment"], ["word", "segment"], None])
def test_verbose_json(server, example, transcribed, wanted) -> None:
    given = {} if wanted is None else {"timestamp_granularities": wanted}
    with server.openai() as client, example.open("rb") as file:
        raw = client.audio.transcriptions.with_raw_response.create(
            file=file, model="demo", response_format="verbose_json", language="en", **given
        )
    found = TranscriptionVerbose.model_validate_json(raw.content)
    assert (found.text, found.language) == (transcribed.text, "en")
    assert found.duration == pytest.approx(transcribed.duration, abs=1e-3)
    if wanted and "word" in wanted:
        times = [(word.word, word.start, word.end) for word in found.words]
        assert times == [(word.word, word.start, word.end) for word in transcribed.words]
    else:
        assert found.words is None
    if wanted == ["word"]:
        assert found.segments is None
        return
    assert [s.text for s in found.segments] == [s.text for s in transcribed.segments]
    assert [id for s in found.segments for id in s.tokens] == [t.id for t in transcribed.tokens]
    assert all(s.avg_logprob <= 0 for s in found.segments)


def test_log_probs(server, example, transcribed) -> None:
    with server.openai() as client, example.open("rb") as file:
        found = client.audio.transcriptions.create(file=file, model="demo", include=["logprobs"])
    texts = [token.piece.replace("▁", " ") for token in transcribed.tokens]
    assert [one.token for one in found.logprobs] == texts
    assert [bytes(map(int, one.bytes)).decode() for one in found.logprobs] == texts
    assert all(one.logprob <= 0 for one in found.logprobs)


def test_a_log_prob_is_that_of_the_confidence() -> None:
    """The confidence is NeMo's, of which `expected.json` of the demo has no log-probabilities:
    the formula is turned round here."""
    for probability in (1.0, 0.9, 0.5, 0.01):
        scale = 257**0.33
        confidence = ((probability * 257) ** 0.33 - 1) / (scale - 1)
        assert log_prob(confidence, 257) == pytest.approx(math.log(probability), abs=1e-9)
    assert log_prob(0.0, 257) == pytest.approx(-math.log(257))


def test_text_comes_while_it_is_found(server, long) -> None:
    with server.openai() as client:
        whole = client.audio.transcriptions.create(file=("a.wav", long), model="demo").text
        events = list(
            client.audio.transcriptions.create(
                file=("a.wav", long), model="demo", stream=True, include=["logprobs"]
            )
        )
    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert len(deltas) > 1
    assert "".join(event.delta for event in deltas) == done.text == whole
    assert done.type == "transcript.text.done"
    assert done.logprobs


def test_a_short_recording_is_streamed_too(server, example, transcribed) -> None:
    with server.client() as client:
        response = client.post(
            "/v1/audio/transcriptions",
            files={"file": example.read_bytes()},
            data={"stream": "true"},
        )
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in response.text.splitlines() if line]
    delta, done = (json.loads(line.removeprefix("data: ")) for line in lines)
    assert delta == {"type": "transcript.text.delta", "delta": transcribed.text}
    assert done == {"type": "transcript.text.done", "text": transcribed.text}


@pytest.mark.parametrize("format", ["m4a", "ogg-opus", "webm", "flac", "mp3"])
def test_containers(server, example, format) -> None:
    sound = make(format, lambda rate: read_audio(example, rate))
    with server.openai() as client:
        found = client.audio.transcriptions.create(file=("x", sound), model="demo")
    assert found.text.startswith("two one five nine zero")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server, example, transcribed) -> None:
    url = f"{server.url}/v1/audio/transcriptions"
    command = ["curl", "-sS", url, "-F", f"file=@{example}", "-F", "response_format=text"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == transcribed.text + "\n"


def test_models(server) -> None:
    with server.openai() as client:
        assert [model.id for model in client.models.list()] == ["demo"]
        assert client.models.retrieve("demo").object == "model"
        with pytest.raises(openai.NotFoundError) as raised:
            client.models.retrieve("whisper-1")
    assert raised.value.code == "model_not_found"


def test_a_request_names_a_model_that_is_there(server, example) -> None:
    with server.openai() as client, example.open("rb") as file:
        with pytest.raises(openai.NotFoundError, match="there is demo") as raised:
            client.audio.transcriptions.create(file=file, model="/etc/passwd")
        assert (raised.value.param, raised.value.code) == ("model", "model_not_found")
    with server.client() as client:
        response = client.post("/v1/audio/transcriptions", files={"file": example.read_bytes()})
        assert response.status_code == 200  # the default model


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "diarized_json"),
        ("timestamp_granularities[]", "letter"),
        ("timestamp_granularities[]", "word"),  # without verbose_json
        ("include[]", "everything"),
        ("temperature", "hot"),
        ("temperature", "nan"),
        ("stream", "perhaps"),
        ("keywords[]", "x" * 201),
    ],
)
def test_a_value_that_cannot_be_is_named(server, example, field, value) -> None:
    with server.client() as client:
        response = client.post(
            "/v1/audio/transcriptions",
            files={"file": example.read_bytes()},
            data={field: value},
        )
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == field.removesuffix("[]")


def test_keywords_and_names_in_a_prompt_are_phrases(server, example, transcribed) -> None:
    with server.openai() as client, example.open("rb") as file:
        found = client.audio.transcriptions.create(
            file=file, model="demo", prompt="Digits: zero, one.", keywords=["two", "five"]
        )
    assert found.text == transcribed.text
    model = parrotlet.load("demo", threads=1)
    phrases = decoding_for(model, ("nine",), ("zero", "one")).phrases
    assert {phrase for phrase, _ in phrases.entries} >= {"nine", "zero"}


def test_a_language_is_found_by_its_beginning() -> None:
    model = SimpleNamespace(languages=("auto", "de-DE", "en-GB", "en-US"))
    assert language_for(model, "en") == "en-GB"
    assert language_for(model, "EN_us") == "en-US"
    assert language_for(model, None) is None
    assert language_for(SimpleNamespace(languages=()), "en") is None
    with pytest.raises(ApiError, match="'tlh' is not one of auto, de-DE"):
        language_for(model, "tlh")
