"""The names that OpenAI's realtime transcription had before its general availability.

Clients that send the header `OpenAI-Beta: realtime=v1` or `transcription_session.update` know
these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMATS: Mapping[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}

_INPUTS = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}


def is_beta(session: Mapping[str, Any]) -> bool:
    """Whether a `session` object has the older names."""
    return "audio" not in session and any(name in session for name in _INPUTS)


def from_beta(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `session` object of today for an older one."""
    given = {new: session[old] for old, new in _INPUTS.items() if old in session}
    format = given.get("format")
    if isinstance(format, str):
        given["format"] = _FORMATS.get(format, {"type": format})
    others = {name: session[name] for name in ("include",) if name in session}
    return {"type": "transcription", "audio": {"input": given}, **others}


def to_beta(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the older `session` object for one of today."""
    given = session["audio"]["input"]
    fields = {old: given.get(new) for old, new in _INPUTS.items()}
    sent = fields["input_audio_format"]
    fields["input_audio_format"] = next(
        (name for name, format in _FORMATS.items() if format == sent), sent
    )
    others = {name: session[name] for name in ("id", "object", "expires_at", "include")}
    return {**others, **fields}
