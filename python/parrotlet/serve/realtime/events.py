"""The events that a server sends, as OpenAI's API names them."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from typing import Any

from parrotlet.decoding.tokenizer import WHITESPACE
from parrotlet.results import Token, Transcription, Word
from parrotlet.serve.errors import ApiError

Event = dict[str, Any]

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


def delta_event(item_id: str, text: str, words: Iterable[Word] | None) -> Event:
    """Return text that a turn has grown by; `words` are those in it where logprobs are wanted."""
    logprobs = {} if words is None else {"logprobs": [_word_logprob(word) for word in words]}
    return event(
        f"{_TRANSCRIPTION}.delta", item_id=item_id, content_index=0, delta=text, **logprobs
    )


def completed_event(item_id: str, result: Transcription, transcript: str, logprobs: bool) -> Event:
    """Return the transcript of a turn."""
    fields: dict[str, Any] = {}
    if logprobs:
        fields["logprobs"] = [_token_logprob(token) for token in result.tokens]
    if result.language is not None:
        fields["languages"] = [{"code": result.language}]
    return event(
        f"{_TRANSCRIPTION}.completed",
        item_id=item_id,
        content_index=0,
        transcript=transcript,
        usage={"type": "duration", "seconds": round(result.duration, 3)},
        **fields,
    )


def failed_event(item_id: str, error: ApiError) -> Event:
    """Return what tells that a turn could not be transcribed."""
    return event(
        f"{_TRANSCRIPTION}.failed",
        item_id=item_id,
        content_index=0,
        error=error.to_dict()["error"],
    )


def _word_logprob(word: Word) -> dict[str, Any]:
    return _logprob(f" {word.word}" if word.space_before else word.word, word.confidence)


def _token_logprob(token: Token) -> dict[str, Any]:
    return _logprob(token.piece.replace(WHITESPACE, " "), token.confidence)


def _logprob(text: str, confidence: float) -> dict[str, Any]:
    probability = max(confidence, 1e-30)
    return {
        "token": text,
        "bytes": list(text.encode("utf-8", "replace")),
        "logprob": round(math.log(probability), 6),
    }
