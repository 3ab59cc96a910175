"""Wyoming, with the client of its own package."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from live_server import Live, live_server, pcm16, silence
from serve_client import PATIENCE, eventually
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.samples import Samples
from parrotlet.serve.live.audio import SoundDecoder, pcm
from parrotlet.serve.live.limits import LiveLimits
from parrotlet.serve.settings import Limits, ServedModel, ServeSettings

DIGITS = "two one five nine zero one zero six eight three six seven three"
STREAMED = ["transcript-start", "transcript", "transcript-stop"]
SMALL = 256 * 1024


@pytest.fixture(scope="module")
def live(converted: Callable[[str, str], Path]) -> Iterator[Live]:
    models = (
        ServedModel("demo", "demo"),
        ServedModel("offline", str(converted("parakeet-tdt-0.6b-v2", "f32"))),
        ServedModel("eou", str(converted("parakeet_realtime_eou_120m-v1", "f32"))),
        ServedModel("told", str(converted("nemotron-3.5-asr-streaming-0.6b", "f32"))),
    )
    limits = LiveLimits(max_sessions=3, max_event_bytes=SMALL)
    # As many streams as are asked for, however busy the machine is.
    settings = ServeSettings(models=models, limits=Limits(max_streams=64), live=limits)
    with live_server(settings) as live:
        yield live


@pytest.fixture(scope="module")
def speech(examples_dir: Path) -> Samples:
    return read_audio(examples_dir / "example.wav", 16_000)


async def say(
    client: AsyncTcpClient, data: bytes, rate: int = 16_000, width: int = 2, channels: int = 1
) -> None:
    format = {"rate": rate, "width": width, "channels": channels}
    await client.write_event(AudioStart(**format).event())
    for start in range(0, len(data), 4096):
        chunk = AudioChunk(audio=data[start : start + 4096], **format)
        await client.write_event(chunk.event())


async def hear(client: AsyncTcpClient, last: str) -> list[Event]:
    """Take events until one of type `last`."""
    events: list[Event] = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        assert event is not None
        events.append(event)
    return events


def transcript(events: list[Event]) -> str:
    (found,) = (event for event in events if Transcript.is_type(event.type))
    return Transcript.from_event(found).text


def test_what_the_server_tells_of_itself(live: Live) -> None:
    async def client() -> Info:
        async with live.wyoming() as client:
            await client.write_event(Ping("hello").event())
            assert (await hear(client, "pong"))[0].data["text"] == "hello"
            await client.write_event(Describe().event())
            (event,) = await hear(client, "info")
            return Info.from_event(event)

    programs = {program.name: program for program in asyncio.run(client()).asr}
    assert list(programs) == ["demo", "offline", "eou", "told"]
    for name, program in programs.items():
        (model,) = program.models
        assert model.name == name and model.installed and model.languages
        assert program.supports_transcript_streaming == (name != "offline")
        assert program.requires_external_vad == (name != "eou")
    assert "de-DE" in programs["told"].models[0].languages
    assert "auto" not in programs["told"].models[0].languages


def widened(samples: Samples, width: int) -> bytes:
    scale = 2 ** (8 * width - 1)
    values = np.clip(np.round(samples.astype(np.float64) * scale), -scale, scale - 1)
    whole = (values + (128 if width == 1 else 0)).astype("<i8")
    return whole.view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


@pytest.mark.parametrize(
    ("rate", "width", "channels"),
    [(16_000, 2, 1), (22_050, 1, 1), (44_100, 3, 2), (48_000, 4, 1), (8_000, 2, 2)],
)
def test_sound_of_any_kind(
    live: Live, speech: Samples, rate: int, width: int, channels: int
) -> None:
    data = widened(np.repeat(soxr.resample(speech, 16_000, rate), channels), width)

    async def client() -> list[Event]:
        async with live.wyoming() as client:
            await client.write_event(Transcribe(language="en").event())
            await say(client, data, rate, width, channels)
            await client.write_event(AudioStop().event())
            return await hear(client, "transcript-stop")

    events = asyncio.run(client())
    chunks = [TranscriptChunk.from_event(e).text for e in events if e.type == "transcript-chunk"]
    assert [event.type for event in events if event.type != "transcript-chunk"] == STREAMED
    text = transcript(events)
    assert "".join(chunks) == text
    decode = SoundDecoder(pcm(width, rate, channels), 16_000)
    stream = parrotlet.load("demo").stream()
    stream.feed(np.concatenate([decode(data), decode(b"", last=True)]))
    assert text == stream.finish().text
    if rate == 16_000:
        assert text == DIGITS and len(chunks) > 1


def test_one_turn_after_another_with_models_by_name(
    live: Live, converted: Callable[[str, str], Path], speech: Samples
) -> None:
    async def client() -> list[str]:
        texts = []
        async with live.wyoming() as client:
            for asked in (Transcribe("offline"), Transcribe("demo"), SelectProgram("offline")):
                await client.write_event(asked.event())
                if isinstance(asked, SelectProgram):
                    await client.write_event(Transcribe().event())
                await say(client, pcm16(speech))
                await client.write_event(AudioStop().event())
                texts.append(transcript(await hear(client, "transcript")))
            await say(client, b"")
            await client.write_event(AudioStop().event())
            texts.append(transcript(await hear(client, "transcript")))
        return texts

    model = parrotlet.load(converted("parakeet-tdt-0.6b-v2", "f32"))
    sound = SoundDecoder(pcm(2, 16_000), 16_000)(pcm16(speech))
    offline = model.transcribe(sound).text
    assert asyncio.run(client()) == [offline, DIGITS, offline, ""]


def test_names_and_terms_are_phrases(
    live: Live, speech: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Transcribe(transcript_names=["Anna"], transcript_terms=["pittsburgh"], language="en")
    seen: list[tuple[str, ...]] = []

    async def client() -> None:
        async with live.wyoming() as client:
            await client.write_event(asked.event())
            await say(client, pcm16(speech[:16_000]))
            await client.write_event(AudioStop().event())
            await hear(client, "transcript")

    asyncio.run(client())  # loads the model
    loaded = live.state.models._places["demo"].loaded
    group = loaded.streams()
    opened = group.open

    def watched(context, *, decoding, language):
        seen.append(tuple(phrase for phrase, _ in decoding.phrases.phrases))
        return opened(context, decoding=decoding, language=language)

    monkeypatch.setattr(group, "open", watched)
    asyncio.run(client())
    assert seen == [("Anna", "pittsburgh")]


@pytest.mark.parametrize("by", ["the model", "silence"])
def test_the_server_ends_the_turn(
    live: Live, speech: Samples, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    async def client() -> list[str]:
        texts = []
        async with live.wyoming() as client:
            for _ in range(2):
                asked = Transcribe("demo", vad_sensitivity="aggressive")
                await client.write_event(asked.event())
                await say(client, pcm16(np.concatenate([speech, silence(1.5)])))
                texts.append(transcript(await hear(client, "transcript-stop")))
                # Those that come too late are no fault.
                await client.write_event(AudioStop().event())
        return texts

    async def load() -> None:
        async with live.wyoming() as client:
            await client.write_event(Describe().event())
            await hear(client, "info")

    asyncio.run(load())
    tokenizer = live.state.models._places["demo"].loaded.model._config.tokenizer
    # As if the model marked the end of an utterance where it hears a word, or one never heard.
    mark = "▁eight" if by == "the model" else "ing"
    monkeypatch.setattr(tokenizer, "ends", {tokenizer.pieces.index(mark): "EOU"})
    one, two = asyncio.run(client())
    assert one == two
    assert one.startswith("two one five nine zero one zero six")
    assert (one.endswith("seven three")) == (by == "silence")


def raw(live: Live, data: bytes) -> bytes:
    """What the server answers to bytes before it leaves."""

    async def client() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", live.wyoming_port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    return asyncio.run(client())


CHUNK = b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}'
START = b'{"type": "audio-start", "data": {"rate": %d, "width": %d, "channels": %d}}\n'
BAD = {
    "is no event": b"[1]\n",
    "what came is no event:": b'{"type": 3}\n',
    "type": b'{"data": {}}\n',
    "bytes are announced": CHUNK + b', "payload_length": 99999999999}\n',
    "are the most": b'{"type": "describe", "data_length": 1000000000}\n',
    "are no JSON": b"hello\n",
    "what came is no event": b"[" * 30_000 + b"\n",  # too deep for some versions of Python
    "rate": b'{"type": "audio-start", "data": {}}\n',
    "samples have 7 bytes": START % (16_000, 7, 1),
    "0 channels": START % (16_000, 2, 0),
    "the rate is 1": START % (1, 2, 1),
    "is not here": b'{"type": "select-program", "data": {"name": "gpt"}}\n',
    "a string": b'{"type": "select-program", "data": {"name": []}}\n',
}


@pytest.mark.parametrize("why", BAD)
def test_bad_events_end_the_connection_with_the_reason(live: Live, why: str) -> None:
    answer = raw(live, BAD[why])
    header, _, rest = answer.partition(b"\n")
    assert json.loads(header)["type"] == "error"
    assert why in json.loads(rest)["text"]
    eventually(lambda: live.state.sessions.open == 0)


def test_a_header_without_end(live: Live) -> None:
    assert raw(live, b"x" * (SMALL * 4)) == b""
    eventually(lambda: live.state.sessions.open == 0)


def test_a_language_that_the_model_does_not_have(live: Live) -> None:
    async def client() -> list[Event]:
        async with live.wyoming() as client:
            await client.write_event(Transcribe("told", language="xx").event())
            await client.write_event(AudioStart(16_000, 2, 1).event())
            return await hear(client, "error")

    assert "xx" in asyncio.run(client())[-1].data["text"]


def test_connections_are_counted_and_those_that_vanish_are_not(live: Live, speech: Samples) -> None:
    async def client() -> None:
        async with live.wyoming() as one, live.wyoming() as two, live.wyoming() as three:
            for client in (one, two, three):
                await say(client, pcm16(speech[:20_000]))
                await hear(client, "transcript-start")
            assert live.state.sessions.open == 3
            async with live.wyoming() as four:
                (refused,) = await hear(four, "error")
                assert refused.data["code"] == "too_many_sessions"
            await asyncio.to_thread(eventually, lambda: live.streams == 3)
            for client in (one, two, three):
                client._writer.transport.abort()

    asyncio.run(client())
    eventually(lambda: live.streams == 0 and live.state.sessions.open == 0)
    eventually(lambda: live.state.active == 0)


@pytest.mark.parametrize("limits", [LiveLimits(idle_seconds=0.2), LiveLimits(session_seconds=0.2)])
def test_a_client_that_says_nothing_is_left(limits: LiveLimits) -> None:
    with live_server(ServeSettings(live=limits)) as live:
        raw(live, b'{"type": "ping"}\n')  # returns when the server has left
        eventually(lambda: live.state.sessions.open == 0)
