"""What the routes of one server share: `app.state.server`."""

from __future__ import annotations

from dataclasses import dataclass, field

from parrotlet.serve.admission import Admission
from parrotlet.serve.live.sessions import LiveSessions
from parrotlet.serve.metrics import Metrics
from parrotlet.serve.models import ModelPool
from parrotlet.serve.settings import ServeSettings


@dataclass
class ServerState:
    """A running server. `keys` are the API keys that are let in, empty for everybody.

    `draining` is True once the server refuses new requests.
    """

    settings: ServeSettings
    models: ModelPool
    admission: Admission
    metrics: Metrics
    keys: tuple[str, ...] = ()
    draining: bool = False
    sessions: LiveSessions = field(default_factory=LiveSessions)
