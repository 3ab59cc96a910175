"""The events that a server sends, as OpenAI's API names them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from parrotlet.decoding.confidence import log_prob
from parrotlet.model import Model
from parrotlet.results import Transcription, Word
from parrotlet.serve.errors import ApiError

Event = dict[str, Any]
LogProbs = list[dict[str, Any]]

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


def new_id(kind: str) -> str:
    """Return a name that nothing else has: `kind` is "sess", "event" or "item"."""
    return f"{kind}_{secrets.token_hex(12)}"


def event(type: str, **fields: Any) -> Event:
    """Return an event with an id of its own."""
    return {"type": type, "event_id": new_id("event"), **fields}


def error_event(error: ApiError, cause: str | None = None) -> Event:
    """Return what tells of an error; `cause` is the id of the client's event."""
    return event("error", error={**error.to_dict()["error"], "event_id": cause})


def item_event(type: str, item_id: str, previous: str | None, transcript: str | None) -> Event:
    """Return what tells of a conversation's item, which is a turn."""
    content = {"type": "input_audio", "transcript": transcript}
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [content],
    }
    return event(type, previous_item_id=previous, item=item)


def delta_event(item_id: str, text: str, logprobs: LogProbs | None) -> Event:
    """Return text that a turn has grown by."""
    return _transcription_event("delta", item_id, {"logprobs": logprobs}, delta=text)


def completed_event(
    item_id: str, result: Transcription, transcript: str, logprobs: LogProbs | None
) -> Event:
    """Return the transcript of a turn."""
    languages = None if result.language is None else [{"code": result.language}]
    return _transcription_event(
        "completed",
        item_id,
        {"logprobs": logprobs, "languages": languages},
        transcript=transcript,
        usage={"type": "duration", "seconds": round(result.duration, 3)},
    )


def failed_event(item_id: str, error: ApiError) -> Event:
    """Return what tells that a turn could not be transcribed."""
    return _transcription_event("failed", item_id, {}, error=error.to_dict()["error"])


def word_log_probs(words: Iterable[Word], model: Model) -> LogProbs:
    """Return the log-probabilities of words, each that of its least likely token."""
    found = []
    for word in words:
        text = f" {word.word}" if word.space_before else word.word
        value = log_prob(word.confidence, len(model.vocabulary) + 1)
        found.append({"token": text, "logprob": round(value, 6), "bytes": list(text.encode())})
    return found


def _transcription_event(
    what: str, item_id: str, optional: Mapping[str, Any], **fields: Any
) -> Event:
    given = {name: value for name, value in optional.items() if value is not None}
    return event(f"{_TRANSCRIPTION}.{what}", item_id=item_id, content_index=0, **fields, **given)
