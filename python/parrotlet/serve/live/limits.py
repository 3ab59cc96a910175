"""What a live session may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Times are in seconds, and sizes in bytes.

    `max_sessions` are open at a time, over all protocols. A session ends when nothing has come for
    `idle_seconds`, and after `session_seconds` in any case. `max_event_bytes` is for an event of
    Wyoming; `Limits.max_message_bytes` is for those of OpenAI's API.

    A turn that somebody speaks is ended after `turn_seconds` of sound where the server ends turns.
    `buffered_seconds` of sound are kept for a model that cannot stream, and `pending_turns` of them
    wait for it in each session.
    """

    max_sessions: int = 256
    idle_seconds: float = 300.0
    session_seconds: float = 3600.0
    max_event_bytes: int = 1024**2
    turn_seconds: float = 300.0
    buffered_seconds: float = 300.0
    pending_turns: int = 2
