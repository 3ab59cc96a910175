"""OpenAI's realtime transcription, with OpenAI's client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from live_server import Live, hear, live_server, pcm16, say, settle, silence

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.samples import Samples
from parrotlet.serve.live.audio import SoundDecoder, SoundFormat, pcm, pcma, pcmu
from parrotlet.serve.live.segments import Detection, Segmenter, Sound, Started
from parrotlet.serve.settings import Limits, ServedModel, ServeSettings

DIGITS = "two one five nine zero one zero six eight three six seven three"
EOU = "parakeet_realtime_eou_120m-v1"
LOGPROBS = ["item.input_audio_transcription.logprobs"]


@pytest.fixture(scope="module")
def live(converted: Callable[[str, str], Path]) -> Iterator[Live]:
    models = (
        ServedModel("demo", "demo"),
        ServedModel("offline", str(converted("parakeet-tdt-0.6b-v2", "f32"))),
        ServedModel("eou", str(converted(EOU, "f32"))),
        ServedModel("told", str(converted("nemotron-3.5-asr-streaming-0.6b", "f32"))),
    )
    # As many streams as are asked for, however busy the machine is.
    limits = Limits(max_streams=64)
    with live_server(ServeSettings(models=models, limits=limits)) as live:
        yield live


@pytest.fixture(scope="module")
def model() -> parrotlet.Model:
    return parrotlet.load("demo")


@pytest.fixture(scope="module")
def speech(examples_dir: Path) -> Samples:
    return read_audio(examples_dir / "example.wav", 16_000)


def alone(model: parrotlet.Model, samples: Samples, **options: object) -> str:
    """The text of a stream that nothing else runs beside."""
    stream = model.stream(**options)  # type: ignore[arg-type]
    stream.feed(samples)
    return stream.finish().text


def received(data: bytes, format: SoundFormat) -> Samples:
    """What the server makes of sound that a client sends and commits."""
    decode = SoundDecoder(format, 16_000)
    return np.concatenate([decode(data), decode(b"", last=True)])


def companded(samples: Samples, format: SoundFormat) -> bytes:
    """The codes of G.711 that are nearest to samples at 8 kHz."""
    values = format.unpack(bytes(range(256)))
    order = np.argsort(values)
    middles = (values[order][1:] + values[order][:-1]) / 2
    return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()


FORMATS = [
    ({"type": "audio/pcm", "rate": 24_000}, pcm(2, 24_000)),
    ({"type": "audio/pcm", "rate": 16_000}, pcm(2, 16_000)),
    ({"type": "audio/pcm", "rate": 8_000}, pcm(2, 8_000)),
    ({"type": "audio/pcmu"}, pcmu()),
    ({"type": "audio/pcma"}, pcma()),
]


@pytest.mark.parametrize(("named", "format"), FORMATS)
def test_every_format_of_sound(
    live: Live, model: parrotlet.Model, speech: Samples, named: dict, format: SoundFormat
) -> None:
    sound = soxr.resample(speech, 16_000, format.rate)
    data = pcm16(sound) if format.width == 2 else companded(sound, format)

    async def client() -> str:
        async with live.session() as connection:
            told = await settle(connection, format=named, turn_detection=None)
            assert told.events[-1].session.audio.input.format.type == named["type"]
            await say(connection, data)
            await connection.input_audio_buffer.commit()
            (transcript,) = (await hear(connection, ".completed")).transcripts
            return transcript

    transcript = asyncio.run(client())
    assert transcript == alone(model, received(data, format))
    if format.rate > 8_000:
        assert transcript == DIGITS


def test_events_of_a_turn_that_the_client_ends(live: Live, speech: Samples) -> None:
    async def client():
        async with live.session() as connection:
            begin = await hear(connection, "session.created")
            await settle(connection, turn_detection=None, format=FORMATS[1][0], include=LOGPROBS)
            await say(connection, pcm16(speech))
            await connection.input_audio_buffer.commit()
            return begin, await hear(connection, ".completed")

    begin, told = asyncio.run(client())
    (created,) = begin.events
    assert created.session.type == "transcription"
    assert created.session.audio.input.turn_detection.type == "server_vad"
    assert created.session.audio.input.transcription.model == "demo"
    (committed,), (added,), (done,) = told.of(".committed"), told.of(".added"), told.of(".done")
    item = committed.item_id
    assert (added.item.id, done.item.id, committed.previous_item_id) == (item, item, None)
    assert told.types.index(committed.type) < told.types.index(added.type)
    assert told.of(".delta")[0].delta and told.types.index(told.of(".delta")[0].type) == 0
    (completed,) = told.of(".completed")
    assert told.deltas(item) == completed.transcript == DIGITS
    assert completed.usage.seconds == pytest.approx(len(speech) / 16_000, abs=0.01)
    assert "".join(entry.token for entry in completed.logprobs).strip() == DIGITS
    of_deltas = [entry for event in told.of(".delta") for entry in event.logprobs]
    assert "".join(entry.token for entry in of_deltas).strip() == DIGITS
    for entry in (*of_deltas, *completed.logprobs):
        assert bytes(entry.bytes).decode() == entry.token
        assert -math.inf < entry.logprob <= 0
    ids = [event.event_id for event in (*begin.events, *told.events)]
    assert len(set(ids)) == len(ids)


def test_speech_makes_turns(live: Live, model: parrotlet.Model, speech: Samples) -> None:
    signal = np.concatenate([silence(1), speech, silence(1.2), speech, silence(1.2)])
    detection = {"prefix_padding_ms": 200, "silence_duration_ms": 400, "threshold": 0.5}

    async def client():
        async with live.session() as connection:
            told = await settle(
                connection,
                format=FORMATS[1][0],
                turn_detection={"type": "server_vad", **detection},
            )
            effective = told.events[-1].session.audio.input.turn_detection
            assert effective.model_dump(include=set(detection)) == detection
            await say(connection, pcm16(signal))
            return await hear(connection, ".completed", 2)

    told = asyncio.run(client())
    segmenter = Segmenter(Detection(0.5, 0.2, 0.4), 16_000)
    turns: list[list[Samples]] = []
    starts = []
    for part in segmenter.feed(received(pcm16(signal), pcm(2, 16_000))):
        if isinstance(part, Started):
            turns.append([])
            starts.append(part.position // 16)
        elif isinstance(part, Sound):
            turns[-1].append(part.samples)
    expected = [alone(model, np.concatenate(turn)) for turn in turns]
    assert len(expected) == 2 and told.transcripts == expected
    assert [event.audio_start_ms for event in told.of("speech_started")] == starts
    lengths = [sum(map(len, turn)) // 16 for turn in turns]
    assert [event.audio_end_ms for event in told.of("speech_stopped")] == [
        start + length for start, length in zip(starts, lengths, strict=True)
    ]
    items = [event.item_id for event in told.of(".committed")]
    assert [event.previous_item_id for event in told.of(".committed")] == [None, items[0]]
    assert [event.item_id for event in told.of("speech_started")] == items
    assert [told.deltas(item) for item in items] == expected


def test_the_model_ends_turns(live: Live, speech: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    async def client():
        async with live.session() as connection:
            await settle(connection, format=FORMATS[1][0], turn_detection=None)
            semantic = {"type": "semantic_vad", "eagerness": "low"}
            update = {"type": "transcription", "audio": {"input": {"turn_detection": semantic}}}
            await connection.session.update(session=update, event_id="mine")
            refused = (await hear(connection, "error")).events[-1].error
            tokenizer = live.state.models._places["demo"].loaded.model._config.tokenizer
            # As if the model marked the end of an utterance where it hears "nine".
            monkeypatch.setattr(tokenizer, "ends", {tokenizer.pieces.index("▁nine"): "EOU"})
            # A turn ends with its chunk; such a model has short ones.
            brief = {"delay": "minimal"}
            told = await settle(connection, turn_detection=semantic, transcription=brief)
            assert told.events[-1].session.audio.input.turn_detection.eagerness == "low"
            await say(connection, pcm16(np.concatenate([silence(0.5), speech])))
            return refused, await hear(connection, ".completed")

    refused, told = asyncio.run(client())
    assert (refused.code, refused.event_id) == ("invalid_value", "mine")
    assert refused.param == "session.audio.input.turn_detection.type"
    assert "<EOU>" in refused.message
    assert told.transcripts == ["two one five"]
    (started,), (stopped,) = told.of("speech_started"), told.of("speech_stopped")
    assert 500 < stopped.audio_end_ms - started.audio_start_ms < len(speech) / 16


def test_a_model_with_marks_takes_semantic_vad(live: Live) -> None:
    async def client() -> None:
        async with live.session("eou") as connection:
            told = await settle(connection, turn_detection={"type": "semantic_vad"})
            assert told.events[-1].session.audio.input.turn_detection.type == "semantic_vad"

    asyncio.run(client())


def test_a_model_that_cannot_stream_hears_whole_turns(
    live: Live, converted: Callable[[str, str], Path], speech: Samples
) -> None:
    async def client():
        async with live.session("offline") as connection:
            await settle(connection, format=FORMATS[1][0], turn_detection=None)
            for part in (speech, speech[:40_000]):
                await say(connection, pcm16(part))
                await connection.input_audio_buffer.commit()
            return await hear(connection, ".completed", 2)

    told = asyncio.run(client())
    model = parrotlet.load(converted("parakeet-tdt-0.6b-v2", "f32"))
    format = pcm(2, 16_000)
    expected = [
        model.transcribe(received(pcm16(part), format)).text for part in (speech, speech[:40_000])
    ]
    assert told.transcripts == expected
    items = [event.item_id for event in told.of(".committed")]
    assert [event.item_id for event in told.of(".completed")] == items
    assert [told.deltas(item) for item in items] == expected
    assert len(told.of(".delta")) == len([text for text in expected if text])


def test_language_and_words(live: Live, speech: Samples) -> None:
    async def client():
        async with live.session("told") as connection:
            told = await settle(
                connection,
                turn_detection=None,
                transcription={
                    "language": "de",
                    "prompt": "Anna, Otto",
                    "keywords": ["sofa"],
                    "delay": "minimal",
                },
            )
            chosen = told.events[-1].session.audio.input.transcription
            assert (chosen.model, chosen.language, chosen.delay) == ("told", "de", "minimal")
            await say(connection, pcm16(soxr.resample(speech, 16_000, 24_000)))
            await connection.input_audio_buffer.commit()
            told = await hear(connection, ".completed")
            assert told.events[-1].languages[0].code == "de-DE"
            for wrong in ({"language": "xx"}, {"model": "none"}, {"delay": "short"}):
                session = {"audio": {"input": {"transcription": wrong}}, "type": "transcription"}
                await connection.session.update(session=session)
                error = (await hear(connection, "error")).events[-1].error
                assert next(iter(wrong.values())) in error.message

    asyncio.run(client())


def test_many_at_once_hear_what_each_hears_alone(
    live: Live, model: parrotlet.Model, speech: Samples
) -> None:
    parts = [speech[: 16_000 + 1_500 * number] for number in range(16)]

    async def client(part: Samples, size: int) -> str:
        async with live.session() as connection:
            await settle(connection, format=FORMATS[1][0], turn_detection=None)
            await say(connection, pcm16(part), size)
            await connection.input_audio_buffer.commit()
            told = await hear(connection, ".completed")
            (transcript,) = told.transcripts
            assert told.deltas(told.events[-1].item_id) == transcript
            return transcript

    async def clients() -> list[str]:
        sizes = (3200, 6400, 9600, 60_001)
        return await asyncio.gather(
            *(client(part, sizes[number % 4]) for number, part in enumerate(parts))
        )

    found = asyncio.run(clients())
    format = pcm(2, 16_000)
    assert found == [alone(model, received(pcm16(part), format)) for part in parts]


def test_cleared_sound_is_not_heard(live: Live, speech: Samples) -> None:
    async def client():
        async with live.session() as connection:
            await settle(connection, format=FORMATS[1][0], turn_detection=None)
            await say(connection, pcm16(speech[:30_000]))
            await connection.input_audio_buffer.clear()
            await hear(connection, ".cleared")
            await connection.input_audio_buffer.commit()
            error = (await hear(connection, "error")).events[-1].error
            assert error.code == "input_audio_buffer_commit_empty"
            await say(connection, pcm16(speech))
            await connection.input_audio_buffer.commit()
            return await hear(connection, ".completed")

    assert asyncio.run(client()).transcripts == [DIGITS]


def test_the_older_names(live: Live, speech: Samples) -> None:
    async def client():
        async with live.session(**{"OpenAI-Beta": "realtime=v1"}) as connection:
            created = await hear(connection, "transcription_session.created")
            await connection.send(
                {
                    "type": "transcription_session.update",
                    "session": {
                        "input_audio_format": "g711_ulaw",
                        "input_audio_transcription": {"model": "demo", "language": "en"},
                        "turn_detection": None,
                    },
                }
            )
            updated = await hear(connection, "transcription_session.updated")
            sound = companded(soxr.resample(speech, 16_000, 8_000), pcmu())
            await say(connection, sound)
            await connection.input_audio_buffer.commit()
            return created, updated, await hear(connection, ".completed")

    created, updated, told = asyncio.run(client())
    session = created.events[0].session
    assert session["input_audio_format"] == "pcm16"
    session = updated.events[0].session
    assert session["input_audio_format"] == "g711_ulaw"
    assert session["input_audio_transcription"] == {"model": "demo", "language": "en"}
    assert session["turn_detection"] is None
    assert len(told.of("conversation.item.created")) == 1
    assert not told.of(".added")
    assert told.transcripts[0]
