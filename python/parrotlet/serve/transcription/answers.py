"""Transcriptions as OpenAI's API gives them; subtitles are those of `parrotlet.render`.

Source: the types of `openai.types.audio`. Words have their confidence besides, and whatever else
`Word.to_dict` has of them.
"""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from parrotlet.decoding.confidence import log_prob
from parrotlet.decoding.tokenizer import WHITESPACE
from parrotlet.model import Model
from parrotlet.output import render
from parrotlet.results import Segment, Token, Transcription
from parrotlet.serve.transcription.fields import Wanted


def answer(result: Transcription, model: Model, wanted: Wanted) -> Response:
    """Return the response in the format that was asked for."""
    if wanted.format == "json":
        return JSONResponse({**_text(result, model, wanted), "usage": _usage(result)})
    if wanted.format == "verbose_json":
        return JSONResponse(_verbose(result, model, wanted))
    kind = "text/vtt" if wanted.format == "vtt" else "text/plain"
    return PlainTextResponse(render(result, wanted.format), media_type=kind)


def delta_event(text: str) -> dict[str, Any]:
    """Return the event of text that has been added."""
    return {"type": "transcript.text.delta", "delta": text}


def done_event(result: Transcription, model: Model, wanted: Wanted) -> dict[str, Any]:
    """Return the last event, with all that an answer without events has."""
    fields = _verbose if wanted.format == "verbose_json" else _text
    return {"type": "transcript.text.done", **fields(result, model, wanted)}


def _text(result: Transcription, model: Model, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {"text": result.text}
    if result.language is not None:
        found["languages"] = [{"code": result.language}]
    if wanted.log_probs:
        found["logprobs"] = log_probs(result.tokens, model)
    return found


def _verbose(result: Transcription, model: Model, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": "transcribe",
        "language": result.language or wanted.language or "unknown",
        "duration": round(result.duration, 3),
        "text": result.text,
    }
    if "word" in wanted.granularities:
        found["words"] = [word.to_dict() for word in result.words]
    if "segment" in wanted.granularities:
        tokens = _tokens_of_segments(result)
        found["segments"] = [
            _segment(number, segment, here, model)
            for number, (segment, here) in enumerate(zip(result.segments, tokens, strict=True))
        ]
    return {**found, "usage": _usage(result)}


def _usage(result: Transcription) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(result.duration)}


def _segment(
    number: int, segment: Segment, tokens: Sequence[Token], model: Model
) -> dict[str, Any]:
    """Return a segment. `seek` and `no_speech_prob` are of Whisper's, and 0 here."""
    values = [_log_prob(token, model) for token in tokens]
    text = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [token.id for token in tokens],
        "temperature": 0.0,
        "avg_logprob": sum(values) / len(values) if values else 0.0,
        "compression_ratio": len(text) / len(zlib.compress(text)),
        "no_speech_prob": 0.0,
    }


def _tokens_of_segments(result: Transcription) -> list[list[Token]]:
    """Divide the tokens among the segments, by the times at which these begin."""
    starts = [segment.start for segment in result.segments]
    found: list[list[Token]] = [[] for _ in starts]
    for token in result.tokens if starts else ():
        found[max(0, bisect_right(starts, token.start) - 1)].append(token)
    return found


def log_probs(tokens: Sequence[Token], model: Model) -> list[dict[str, Any]]:
    """Return the log-probabilities of tokens as OpenAI's API has them."""
    return [
        {
            "token": text,
            "logprob": _log_prob(token, model),
            "bytes": list(text.encode()),
        }
        for token in tokens
        if (text := token.piece.replace(WHITESPACE, " "))
    ]


def _log_prob(token: Token, model: Model) -> float:
    return round(log_prob(token.confidence, len(model.vocabulary) + 1), 6)
