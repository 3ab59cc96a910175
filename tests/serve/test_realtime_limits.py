"""What a realtime session may not do, and what becomes of its streams when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import websockets
from live_server import Live, hear, live_server, pcm16, say, settle, silence
from serve_client import PATIENCE, eventually

from parrotlet.audio import read_audio
from parrotlet.samples import Samples
from parrotlet.serve.live.limits import LiveLimits
from parrotlet.serve.settings import Limits, ServedModel, ServeSettings

PCM16 = {"type": "audio/pcm", "rate": 16_000}
SMALL = 64 * 1024


@pytest.fixture(scope="module")
def live(
    converted: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("none\n")
    models = (
        ServedModel("demo", "demo"),
        ServedModel("offline", str(converted("parakeet-tdt-0.6b-v2", "f32"))),
    )
    limits = Limits(max_streams=2, max_message_bytes=SMALL)
    brief = LiveLimits(max_sessions=4, turn_seconds=1.0, buffered_seconds=2.0)
    settings = ServeSettings(models=models, limits=limits, live=brief, api_keys_file=keys)
    with live_server(settings) as live:
        yield live


@pytest.fixture(scope="module")
def speech(examples_dir: Path) -> Samples:
    return read_audio(examples_dir / "example.wav", 16_000)


def endless(seconds: float) -> bytes:
    """Sound that pauses nowhere, and is no steady noise: pulses of noise, seven in a second."""
    count = round(seconds * 16_000)
    pulse = np.abs(np.sin(np.arange(count) * (np.pi * 7 / 16_000)))
    return pcm16(0.2 * pulse * np.random.default_rng(1).standard_normal(count))


def test_a_stream_too_many_is_refused_with_the_figures(live: Live, speech: Samples) -> None:
    async def client() -> None:
        async with live.session() as one, live.session() as two:
            for connection in (one, two):
                await settle(connection, turn_detection=None, format=PCM16)
                await say(connection, pcm16(speech[:30_000]))
            await asyncio.to_thread(eventually, lambda: live.streams == 2)
            async with live.session() as three:
                await say(three, pcm16(speech[:1_000]))
                error = (await hear(three, "error")).events[-1].error
                assert (error.code, error.type) == ("capacity_exceeded", "rate_limit_error")
                assert "2 streams are open" in error.message
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await asyncio.wait_for(three.recv(), PATIENCE)
                assert closed.value.rcvd.code == 1013
            # The others go on, and keep their places from turn to turn.
            for connection in (one, two, one):
                await say(connection, pcm16(speech[:30_000]))
                await connection.input_audio_buffer.commit()
                await hear(connection, ".completed")
                assert live.streams == 2

    asyncio.run(client())
    eventually(lambda: live.streams == 0 and live.state.sessions.open == 0)


def test_sessions_are_counted(live: Live) -> None:
    async def client() -> None:
        async with live.session(), live.session(), live.session(), live.session():
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with live.session():
                    pass
        response = refused.value.response
        assert response.status_code == 429
        assert json.loads(response.body)["error"]["code"] == "too_many_sessions"

    asyncio.run(client())
    eventually(lambda: live.state.sessions.open == 0)


def test_a_client_that_vanishes_leaves_nothing_behind(live: Live, speech: Samples) -> None:
    async def client(before: float) -> None:
        async with live.session() as connection:
            await settle(connection, turn_detection=None, format=PCM16)
            await say(connection, pcm16(speech[: round(before * 16_000)]))
            await asyncio.to_thread(eventually, lambda: live.streams == 1)
            connection._connection.transport.abort()

    for before in (0.1, 2.0):
        asyncio.run(client(before))
        eventually(lambda: live.streams == 0)
    eventually(lambda: live.state.sessions.open == 0 and live.state.active == 0)


def test_a_frame_that_is_too_large_ends_the_session(live: Live) -> None:
    async def client() -> int:
        async with live.session() as connection:
            await hear(connection, "created")
            await connection.send({"type": "input_audio_buffer.append", "audio": "A" * SMALL})
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(connection.recv(), PATIENCE)
            return closed.value.rcvd.code

    assert asyncio.run(client()) == 1009
    eventually(lambda: live.state.sessions.open == 0)


def test_endless_speech_is_divided(live: Live) -> None:
    async def client():
        async with live.session() as connection:
            await settle(connection, format=PCM16)
            await say(connection, endless(4.0))
            return await hear(connection, ".completed", 2)

    told = asyncio.run(client())
    starts = [event.audio_start_ms for event in told.of("speech_started")]
    stops = [event.audio_end_ms for event in told.of("speech_stopped")]
    for start, stop in zip(starts, stops, strict=False):
        assert 1000 <= stop - start < 1600


def test_endless_sound_for_a_model_that_cannot_stream(live: Live) -> None:
    async def client() -> None:
        async with live.session("offline") as connection:
            await settle(connection, turn_detection=None, format=PCM16)
            await say(connection, endless(2.1))
            error = (await hear(connection, "error")).events[-1].error
            assert "more than 2 s of sound wait" in error.message
            await connection.input_audio_buffer.commit()
            told = await hear(connection, ".completed")
            assert told.events[-1].usage.seconds <= 2.0

    asyncio.run(client())


BAD = {
    "no JSON": ("{", "invalid_json"),
    "deep": ("[" * 30_000, "invalid_json"),
    "no object": ("[]", "invalid_value"),
    "no type": ("{}", "invalid_value"),
    "unknown": ('{"type": "response.create"}', "invalid_value"),
    "no sound": ('{"type": "input_audio_buffer.append"}', "invalid_value"),
    "no base64": ('{"type": "input_audio_buffer.append", "audio": "é!"}', "invalid_value"),
    "no text": (
        '{"type": "session.update", "session": '
        '{"audio": {"input": {"transcription": {"keywords": ["\\ud800"]}}}}}',
        "invalid_value",
    ),
    "no session": ('{"type": "session.update"}', "invalid_value"),
}
WRONG = {
    "session.type": {"type": "realtime"},
    "session.audio": {"audio": 3},
    "session.audio.input.format.type": {"audio": {"input": {"format": {"type": "mp3"}}}},
    "session.audio.input.format.rate": {"audio": {"input": {"format": {"rate": 44_100}}}},
    "session.audio.input.turn_detection.threshold": {
        "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}
    },
    "session.audio.input.turn_detection.silence_duration_ms": {
        "audio": {"input": {"turn_detection": {"silence_duration_ms": -1}}}
    },
    "session.audio.input.turn_detection.prefix_padding_ms": {
        "audio": {"input": {"turn_detection": {"prefix_padding_ms": "300"}}}
    },
    "model": {"audio": {"input": {"transcription": {"model": "gpt-9"}}}},
    "keywords": {"audio": {"input": {"transcription": {"keywords": ["x"] * 1001}}}},
    "session.include": {"include": ["everything"]},
}


def test_wrong_events_are_told_and_the_session_goes_on(live: Live, speech: Samples) -> None:
    async def client():
        async with live.session() as connection:
            await settle(connection, turn_detection=None, format=PCM16)
            await say(connection, pcm16(speech[:40_001]))
            for text, code in BAD.values():
                await connection._connection.send(text)
                error = (await hear(connection, "error")).events[-1].error
                assert (error.code, error.type) == (code, "invalid_request_error")
            for param, session in WRONG.items():
                update = {"type": "session.update", "event_id": param, "session": session}
                await connection._connection.send(json.dumps(update))
                error = (await hear(connection, "error")).events[-1].error
                assert (error.param, error.event_id) == (param, param)
            await connection._connection.send(b'{"type": "input_audio_buffer.commit"}')
            return await hear(connection, ".completed")

    told = asyncio.run(client())
    assert told.events[-1].usage.seconds == pytest.approx(2.5, abs=0.01)


def test_keys_are_asked_for(live: Live) -> None:
    async def client() -> None:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with live.session(key="wrong"):
                pass
        assert refused.value.response.status_code == 401
        async with websockets.connect(
            f"ws://127.0.0.1:{live.port}/v1/realtime?intent=transcription",
            subprotocols=["realtime", "openai-insecure-api-key.none"],
        ) as page:
            assert page.subprotocol == "realtime"
            assert json.loads(await page.recv())["type"] == "session.created"

    asyncio.run(client())


def test_what_is_not_there_is_refused(live: Live) -> None:
    async def client(query: str) -> int:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(
                f"ws://127.0.0.1:{live.port}/v1/realtime?{query}",
                additional_headers={"Authorization": "Bearer none"},
            )
        return refused.value.response.status_code

    assert asyncio.run(client("model=gpt-9")) == 404
    assert asyncio.run(client("intent=conversation")) == 400


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (LiveLimits(idle_seconds=0.2), "idle for 0.2 s"),
        (LiveLimits(session_seconds=0.2), "a session lasts 0.2 s"),
    ],
)
def test_a_session_ends(limits: LiveLimits, why: str) -> None:
    async def client(live: Live) -> None:
        async with live.session() as connection:
            error = (await hear(connection, "error")).events[-1].error
            assert error.code == "session_expired"
            assert why in error.message
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(connection.recv(), PATIENCE)
            assert closed.value.rcvd.code == 1001

    with live_server(ServeSettings(live=limits)) as live:
        asyncio.run(client(live))
        eventually(lambda: live.state.sessions.open == 0)


def test_a_server_that_ends_tells_what_it_heard(speech: Samples) -> None:
    async def client(live: Live):
        async with live.session() as connection:
            await settle(connection, turn_detection=None, format=PCM16)
            await say(connection, pcm16(np.concatenate([speech, silence(0.5)])))
            await asyncio.to_thread(eventually, lambda: live.streams == 1)
            await hear(connection, ".delta")
            live.server.should_exit = True
            return await hear(connection, "error")

    with live_server() as live:
        told = asyncio.run(client(live))
        assert told.transcripts and told.transcripts[0].startswith("two one")
        assert "the server ends" in told.events[-1].error.message
