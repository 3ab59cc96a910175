"""Running a server in this process, on a port that is free, and clients of it."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import openai

from parrotlet.serve.app import create_app
from parrotlet.serve.running import Server, uvicorn_config
from parrotlet.serve.settings import ServeSettings
from parrotlet.serve.state import ServerState

PATIENCE = 60
"""Seconds after which something that ought to happen never will."""


@dataclass(frozen=True)
class Running:
    """A server in a thread of this process."""

    port: int
    state: ServerState
    wyoming_port: int
    server: Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False, **options)

    def openai(self, key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=key, max_retries=0, http_client=self.client()
        )

    def connection(self, data: bytes = b"") -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        found.sendall(data)
        return found


@contextlib.contextmanager
def serving(settings: ServeSettings) -> Iterator[Running]:
    """Run a server until the context is left."""
    free = ("127.0.0.1", 0)
    with socket.create_server(free) as listening, socket.create_server(free) as wyoming:
        ports = [found.getsockname()[1] for found in (listening, wyoming)]
        app = create_app(settings, wyoming)
        server = Server(uvicorn_config(app, settings.limits), app.state.server)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            eventually(lambda: server.started)
            yield Running(ports[0], app.state.server, ports[1], server)
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, and fail where it does not come to hold."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def wav(samples: np.ndarray) -> bytes:
    """A sound file of samples at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", None))
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()
