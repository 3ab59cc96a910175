"""What a server is started with."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from parrotlet.errors import ParrotletError
from parrotlet.serve.live.limits import LiveLimits

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that requests may name: `source` is what `parrotlet.load` takes."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests may use. Sizes are in bytes and times in seconds.

    `max_upload_bytes` is for the body of a request, `max_audio_seconds` for the length of the
    recording that it decodes to, and `max_work_seconds` for the time from the end of its upload.
    `max_running` recordings are recognised at a time, and `max_queue` wait. `max_streams` is for
    live streams of each model, None for as many as the machine carries. `max_connections` are open
    at a time. A client may be silent for `receive_seconds` inside of a request, and has to send at
    least `min_upload_rate` bytes a second after that. `drain_seconds` is how long running requests
    may go on after SIGTERM. `max_message_bytes` is for a message of a websocket.
    """

    max_upload_bytes: int = 512 * 1024**2
    max_audio_seconds: float = 6 * 3600.0
    max_work_seconds: float = 3600.0
    max_running: int = 2
    max_queue: int = 32
    max_streams: int | None = None
    max_connections: int = 1000
    receive_seconds: float = 20.0
    min_upload_rate: int = 1024
    drain_seconds: float = 30.0
    max_message_bytes: int = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The settings of a server.

    The first of `models` is the one of requests that name none. `threads` is that of
    `parrotlet.load`. A model that nobody used for `idle_seconds` is unloaded, None for never.
    `wyoming_port` is for clients of Wyoming, None for no such service, and `live` for their
    sessions and those of the realtime API. `api_keys_file` has the keys that are let in, None for
    no such check; Wyoming has no keys. Web pages of `cors_origins` may call the server; "*" stands
    for all.

    Raises ValueError for no model, for two of the same name, and for a port that there is not.
    """

    models: tuple[ServedModel, ...] = (ServedModel("demo", "demo"),)
    host: str = "127.0.0.1"
    port: int = 8000
    wyoming_port: int | None = None
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    live: LiveLimits = field(default_factory=LiveLimits)
    api_keys_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    idle_seconds: float | None = 600.0
    json_logs: bool = False

    def __post_init__(self) -> None:
        """Check the port and the names."""
        for port in (self.port, self.wyoming_port or 0):
            if not 0 <= port <= MAX_PORT:
                raise ValueError(f"port is {port}; expected a number from 0 to {MAX_PORT}")
        names = [model.name for model in self.models]
        if not names:
            raise ValueError("models is empty; name at least one")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two models have the name {name}; give one as NAME=MODEL")

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def read_api_keys(path: Path) -> tuple[str, ...]:
    """Read a file of API keys: one a line; empty lines and those that begin with # are not read.

    Raises ParrotletError for a file that cannot be read or holds no key.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ParrotletError(
            f"{path}: cannot be read ({error.strerror or error}); check the path of the API keys"
        ) from error
    except UnicodeDecodeError as error:
        raise ParrotletError(f"{path}: is no UTF-8 text; write one API key a line") from error
    stripped = map(str.strip, lines)
    keys = tuple(line for line in stripped if line and not line.startswith("#"))
    if not keys:
        raise ParrotletError(f"{path}: holds no API key; write one a line")
    return keys
