"""What a session is told to do, in the shape of OpenAI's `session` object.

Source: OpenAI's `RealtimeTranscriptionSessionCreateRequest`; `beta.py` has the shape before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parrotlet.serve.errors import bad_value
from parrotlet.serve.live.audio import SoundFormat, pcm, pcma, pcmu
from parrotlet.serve.live.segments import Detection
from parrotlet.serve.transcription.fields import checked_phrases

LOGPROBS = "item.input_audio_transcription.logprobs"
"""The one thing that `include` may ask for."""

EAGERNESS = {"low": 8.0, "medium": 4.0, "high": 2.0, "auto": 4.0}
"""Seconds of silence that end a turn whose end the model does not see, by `eagerness`."""

DELAYS = ("minimal", "low", "medium", "high", "xhigh")
"""How long the model waits before it says what it hears, the shortest first."""

PCM_RATES = (24_000, 16_000, 8_000)

_MOST_MILLISECONDS = 30_000

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """`type` and `rate` of the sound that a client sends."""

    type: str = "audio/pcm"
    rate: int = 24_000

    @property
    def sound(self) -> SoundFormat:
        """The same, for a decoder."""
        if self.type == "audio/pcm":
            return pcm(2, self.rate)
        return pcmu() if self.type == "audio/pcmu" else pcma()

    def to_dict(self) -> dict[str, Any]:
        """Return OpenAI's object."""
        rate = {"rate": self.rate} if self.type == "audio/pcm" else {}
        return {"type": self.type, **rate}


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """`server_vad`, or `semantic_vad`, where the model itself says when a turn is over."""

    type: str = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    eagerness: str = "auto"

    @property
    def is_semantic(self) -> bool:
        """Whether the model ends turns."""
        return self.type == "semantic_vad"

    @property
    def detection(self) -> Detection:
        """The same, for a segmenter."""
        silence = self.silence_duration_ms / 1000
        if self.is_semantic:
            silence = EAGERNESS[self.eagerness]
        return Detection(self.threshold, self.prefix_padding_ms / 1000, silence)

    def to_dict(self) -> dict[str, Any]:
        """Return OpenAI's object."""
        if self.is_semantic:
            return {"type": self.type, "eagerness": self.eagerness}
        names = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class TranscriptionSettings:
    """Which model, and what it is told."""

    model: str
    language: str | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    delay: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return OpenAI's object, without what is not set."""
        fields = {
            "model": self.model,
            "language": self.language,
            "prompt": self.prompt,
            "keywords": list(self.keywords) or None,
            "delay": self.delay,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings of a session; `updated` changes them."""

    transcription: TranscriptionSettings
    format: AudioFormat = field(default_factory=AudioFormat)
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    logprobs: bool = False

    def updated(self, session: Fields) -> SessionSettings:
        """Return these with what OpenAI's `session` object names. Raises ApiError 400."""
        kind = _get(session, "session", "type", str, "transcription")
        if kind != "transcription":
            raise bad_value(
                "session.type", f"{kind!r:.100} is not served; sessions are of type transcription"
            )
        result = self
        if "include" in session:
            wanted = _get(session, "session", "include", list, None) or []
            for name in wanted:
                if name != LOGPROBS:
                    raise bad_value("session.include", f"{name!r:.100} is unknown; try {LOGPROBS}")
            result = replace(result, logprobs=bool(wanted))
        audio = _get(session, "session", "audio", dict, None) or {}
        return result._with_input(_get(audio, "session.audio", "input", dict, None) or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of OpenAI's object that are settings."""
        return {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": self.format.to_dict(),
                    "transcription": self.transcription.to_dict(),
                    "noise_reduction": None,  # there is none, whatever is asked for
                    "turn_detection": self.turn_detection and self.turn_detection.to_dict(),
                }
            },
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def _with_input(self, fields: Fields) -> SessionSettings:
        where = "session.audio.input"
        result = self
        if found := _get(fields, where, "format", dict, None):
            result = replace(result, format=_format(found, f"{where}.format"))
        if "turn_detection" in fields:
            detection = _get(fields, where, "turn_detection", dict, None)
            result = replace(
                result,
                turn_detection=None
                if detection is None
                else _turn_detection(detection, f"{where}.turn_detection"),
            )
        if found := _get(fields, where, "transcription", dict, None):
            transcription = _transcription(found, f"{where}.transcription", self.transcription)
            result = replace(result, transcription=transcription)
        return result


def _format(fields: Fields, where: str) -> AudioFormat:
    kinds = ("audio/pcm", "audio/pcmu", "audio/pcma")
    type = _choice(fields, where, "type", kinds, "audio/pcm")
    default = PCM_RATES[0] if type == "audio/pcm" else 8_000
    rate = _get(fields, where, "rate", int, default)
    allowed = PCM_RATES if type == "audio/pcm" else (8_000,)
    if rate not in allowed:
        raise bad_value(f"{where}.rate", f"{rate} Hz is not taken; {type} may be {_list(allowed)}")
    return AudioFormat(type, rate)


def _turn_detection(fields: Fields, where: str) -> TurnDetection:
    default = TurnDetection()
    threshold = _get(fields, where, "threshold", (int, float), default.threshold)
    if not 0 <= threshold <= 1:
        raise bad_value(f"{where}.threshold", f"is {threshold}; expected 0 to 1")
    return TurnDetection(
        _choice(fields, where, "type", ("server_vad", "semantic_vad"), default.type),
        threshold,
        _milliseconds(fields, where, "prefix_padding_ms", default.prefix_padding_ms),
        _milliseconds(fields, where, "silence_duration_ms", default.silence_duration_ms),
        _choice(fields, where, "eagerness", tuple(EAGERNESS), default.eagerness),
    )


def _transcription(
    fields: Fields, where: str, before: TranscriptionSettings
) -> TranscriptionSettings:
    keywords = _get(fields, where, "keywords", list, [])
    if not all(isinstance(word, str) for word in keywords):
        raise bad_value(f"{where}.keywords", "expected strings")
    language = _get(fields, where, "language", str, None)
    languages = _get(fields, where, "languages", list, [])
    if language is None and len(languages) == 1 and isinstance(languages[0], str):
        language = languages[0]
    prompt = _get(fields, where, "prompt", str, None)
    delay = None
    if fields.get("delay") is not None:
        delay = _choice(fields, where, "delay", DELAYS, DELAYS[0])
    return TranscriptionSettings(
        _get(fields, where, "model", str, before.model),
        language or None,
        prompt or None,
        checked_phrases(keywords),
        delay,
    )


def _milliseconds(fields: Fields, where: str, name: str, default: int) -> int:
    value: int = _get(fields, where, name, int, default)
    if not 0 <= value <= _MOST_MILLISECONDS:
        raise bad_value(f"{where}.{name}", f"is {value}; expected 0 to {_MOST_MILLISECONDS}")
    return value


def _choice(fields: Fields, where: str, name: str, allowed: tuple[str, ...], default: str) -> str:
    value: str = _get(fields, where, name, str, default)
    if value not in allowed:
        raise bad_value(f"{where}.{name}", f"{value!r:.100} is unknown; expected {_list(allowed)}")
    return value


def _get(
    fields: Fields,
    where: str,
    name: str,
    kind: type[Any] | tuple[type[Any], ...],
    default: Any,
) -> Any:
    """Return a field, the default where it is missing or null. Raises ApiError 400 for another
    type."""
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = _list(tuple(_NAMES.get(one, one.__name__) for one in kinds))
        raise bad_value(f"{where}.{name}", f"expected {expected}")
    return value


_NAMES: Mapping[type[Any], str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def _list(values: tuple[object, ...]) -> str:
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last
