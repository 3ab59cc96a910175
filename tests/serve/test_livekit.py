"""LiveKit's plugin for OpenAI, pointed at this server: the docs say that it runs as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_server import Live, live_server
from serve_client import PATIENCE

from parrotlet.audio import read_audio
from parrotlet.serve.settings import ServeSettings

openai = pytest.importorskip("livekit.plugins.openai")
rtc = pytest.importorskip("livekit.rtc")
agents = pytest.importorskip("livekit.agents")

RATE = 16_000
DIGITS = "two one five nine zero one zero six eight three six seven three"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server(ServeSettings(threads=2)) as live:
        yield live


@pytest.fixture(scope="module")
def samples(examples_dir: Path) -> np.ndarray:
    speech = read_audio(examples_dir / "example.wav", RATE)
    return (np.clip(speech, -1, 1) * 32767).astype("<i2")


def frame(samples: np.ndarray) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples))


async def recognised(live: Live, samples: np.ndarray) -> str:
    """The text of a recording that is sent as a whole."""
    async with agents.utils.http_context.open():
        recogniser = openai.STT(base_url=address(live), api_key="none", model="demo")
        event = await recogniser.recognize(frame(samples))
        await recogniser.aclose()
        return str(event.alternatives[0].text)


async def heard(live: Live, samples: np.ndarray) -> tuple[list[str], str]:
    """Texts while it is said, and the one at the end, of a turn that silence ends."""
    interim: list[str] = []
    said = np.concatenate([samples, np.zeros(2 * RATE, "<i2")])
    async with agents.utils.http_context.open():
        recogniser = openai.STT(
            base_url=address(live), api_key="none", model="demo", use_realtime=True
        )
        async with recogniser.stream() as stream:
            for part in np.array_split(said, len(said) // 1600):
                stream.push_frame(frame(part))
            async for event in stream:
                if event.type == agents.stt.SpeechEventType.FINAL_TRANSCRIPT:
                    return interim, str(event.alternatives[0].text)
                interim += [found.text for found in event.alternatives]
    raise AssertionError("the stream ended without a text")


def address(live: Live) -> str:
    return f"http://127.0.0.1:{live.port}/v1"


def test_a_recording(live, samples) -> None:
    assert asyncio.run(asyncio.wait_for(recognised(live, samples), PATIENCE)) == DIGITS


def test_a_turn(live, samples) -> None:
    interim, text = asyncio.run(asyncio.wait_for(heard(live, samples), PATIENCE))
    assert text == DIGITS
    assert interim
    assert all(DIGITS.startswith(said) for said in interim)
