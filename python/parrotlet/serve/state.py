"""What the routes of one server share: `app.state.server`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from parrotlet.serve.admission import Admission
from parrotlet.serve.live.sessions import LiveSessions
from parrotlet.serve.metrics import Metrics
from parrotlet.serve.models import ModelPool
from parrotlet.serve.settings import ServeSettings


@dataclass
class ServerState:
    """A running server. `keys` are the API keys that are let in, empty for everybody.

    `drain` is set once the server refuses new requests, and `active` counts those that are not
    answered yet, open websockets among them.
    """

    settings: ServeSettings
    models: ModelPool
    admission: Admission
    metrics: Metrics
    keys: tuple[str, ...] = ()
    sessions: LiveSessions = field(default_factory=LiveSessions)
    drain: asyncio.Event = field(default_factory=asyncio.Event)
    active: int = 0

    @property
    def draining(self) -> bool:
        """Whether the server is about to end."""
        return self.drain.is_set()
