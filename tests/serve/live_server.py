"""Clients that speak to a server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from serve_client import PATIENCE, Running, serving
from wyoming.client import AsyncTcpClient

from parrotlet.serve.settings import ServeSettings


class Live(Running):
    """A server and what live clients ask of it."""

    @contextlib.asynccontextmanager
    async def session(
        self, model: str | None = None, key: str = "none", **headers: str
    ) -> AsyncIterator[AsyncRealtimeConnection]:
        """A session of OpenAI's client; `model` is the default one unless told."""
        client = AsyncOpenAI(api_key=key, base_url=f"{self.url}/v1")
        query = {"intent": "transcription", **({"model": model} if model else {})}
        connecting = client.realtime.connect(extra_query=query, extra_headers=headers)
        async with client, connecting as connection:
            yield connection

    def wyoming(self) -> AsyncTcpClient:
        """A client of Wyoming."""
        return AsyncTcpClient("127.0.0.1", self.wyoming_port, read_timeout=PATIENCE)

    @property
    def streams(self) -> int:
        """Live streams that are open, of all models."""
        stats = [self.state.models.stream_stats(name) for name in self.state.models.names]
        return sum(found.streams for found in stats if found is not None)


@contextlib.contextmanager
def live_server(settings: ServeSettings | None = None) -> Iterator[Live]:
    """Run a server until the context is left."""
    with serving(settings or ServeSettings()) as running:
        yield Live(running.port, running.state, running.wyoming_port, running.server)


@dataclass
class Told:
    """What a session has told: events in order, and the text of each item."""

    events: list[Any] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, type: str) -> list[Any]:
        """The events whose type ends so."""
        return [event for event in self.events if event.type.endswith(type)]

    @property
    def transcripts(self) -> list[str]:
        return [event.transcript for event in self.of(".completed")]

    def deltas(self, item_id: str) -> str:
        return "".join(event.delta for event in self.of(".delta") if event.item_id == item_id)


async def hear(connection: AsyncRealtimeConnection, last: str, count: int = 1) -> Told:
    """Take events until `count` have come whose type ends with `last`."""
    told = Told()
    while len(told.of(last)) < count:
        event = await asyncio.wait_for(connection.recv(), PATIENCE)
        told.events.append(event)
        assert event.type != "error" or last == "error", event
    return told


async def settle(connection: AsyncRealtimeConnection, **input: Any) -> Told:
    """Change settings of `session.audio.input`, and wait until they hold."""
    include = input.pop("include", None)
    session: dict[str, Any] = {"type": "transcription", "audio": {"input": input}}
    if include is not None:
        session["include"] = include
    await connection.session.update(session=session)  # type: ignore[arg-type]
    return await hear(connection, "session.updated")


async def say(connection: AsyncRealtimeConnection, data: bytes, size: int = 9600) -> None:
    """Send sound in messages of `size` bytes."""
    for start in range(0, len(data), size):
        audio = base64.b64encode(data[start : start + size]).decode()
        await connection.input_audio_buffer.append(audio=audio)


def pcm16(samples: np.ndarray) -> bytes:
    """Samples as 16-bit values, little-endian."""
    return (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * 16_000), np.float32)
