"""What a request for a transcription asks for, read from its form.

Names and meanings are those of OpenAI's API (`TranscriptionCreateParams` of the package `openai`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from starlette.datastructures import FormData, UploadFile

from parrotlet.decoding.options import Decoding
from parrotlet.decoding.phrases import Phrases
from parrotlet.errors import PhrasesError
from parrotlet.model import Model
from parrotlet.serve.errors import ApiError, bad_value

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
GRANULARITIES = ("segment", "word")

MAX_PHRASES = 1000
"""Phrases of a request."""

MAX_PHRASE_CHARACTERS = 200

PROMPT_PHRASE_WORDS = 5
"""A part of a prompt with more words is a sentence and no phrase."""

_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `name` is that of the recording, for messages alone.

    `phrases` are the keywords, and `hints` what a prompt names, which need not be of use.
    """

    file: UploadFile
    name: str
    model: str | None
    format: str
    stream: bool
    language: str | None
    phrases: tuple[str, ...]
    hints: tuple[str, ...]
    granularities: tuple[str, ...]
    log_probs: bool


def read_fields(form: FormData) -> Wanted:
    """Read a form; raises ApiError 400 for what cannot be."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(
            400,
            "file: there is none; send the recording as the field file of a multipart form",
            param="file",
            code="missing_required_parameter",
        )
    format = _choice("response_format", _text(form, "response_format") or "json", FORMATS)
    stream = _flag(form, "stream")
    if stream and format not in ("json", "text", "verbose_json"):
        raise bad_value("stream", f"only JSON is streamed, and response_format is {format}")
    _check_temperature(_text(form, "temperature"))
    return Wanted(
        file,
        _shown_name(file.filename),
        _text(form, "model"),
        format,
        stream,
        _language(form),
        _keywords(form),
        tuple(named_in(_text(form, "prompt") or "")),
        _granularities(form, format),
        _includes_log_probs(form, format),
    )


def decoding_for(model: Model, phrases: Sequence[str], hints: Sequence[str]) -> Decoding:
    """Return the search that prefers phrases and hints.

    Raises ApiError 400 for a phrase that it cannot write. Takes a while: not for the event loop.
    """
    try:
        decoding = _prepared(model, phrases)
    except PhrasesError as error:
        raise bad_value("keywords", str(error)) from error
    try:
        return _prepared(model, (*phrases, *hints)) if hints else decoding
    except PhrasesError:
        # A prompt is free text: what the vocabulary cannot write is of no use, and no fault.
        usable = [hint for hint in hints if _is_usable(model, hint)]
        return _prepared(model, (*phrases, *usable))


def language_for(model: Model, language: str | None) -> str | None:
    """Return the model's name of a language: of "de", the first that begins so, as "de-DE".

    A model that is told no language ignores it: OpenAI's clients send one as a rule. Raises
    ApiError 400 for one that the model does not have.
    """
    if language is None or not model.languages:
        return None
    wanted = language.casefold().replace("_", "-")
    for whole in (True, False):
        for name in model.languages:
            plain = name.casefold().replace("_", "-")
            if wanted == (plain if whole else plain.partition("-")[0]):
                return name
    raise bad_value("language", f"{language!r:.40} is not one of {', '.join(model.languages)}")


def _prepared(model: Model, phrases: Iterable[str]) -> Decoding:
    phrases = dict.fromkeys(phrases)
    decoding = Decoding(phrases=Phrases(tuple(phrases), variants=True)) if phrases else Decoding()
    model.prepare(decoding, None if not model.languages else model.languages[0])
    return decoding


def _is_usable(model: Model, phrase: str) -> bool:
    try:
        _prepared(model, (phrase,))
    except PhrasesError:
        return False
    return True


def _text(form: FormData, name: str) -> str | None:
    """Return a field of text, None where it is missing or empty."""
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise bad_value(name, "is a file; send text")
    return value or None


def _texts(form: FormData, name: str) -> list[str]:
    """Return a field that may be there several times, with or without [] after its name."""
    values = [*form.getlist(name), *form.getlist(f"{name}[]")]
    if any(isinstance(value, UploadFile) for value in values):
        raise bad_value(name, "is a file; send text")
    return [value for value in values if isinstance(value, str) and value]


def _choice(name: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise bad_value(name, f"{value!r:.40} is not one of {', '.join(known)}")
    return value


def _flag(form: FormData, name: str) -> bool:
    value = _text(form, name) or "false"
    return _choice(name, value.lower(), ("true", "false", "1", "0")) in ("true", "1")


def _check_temperature(value: str | None) -> None:
    """Raise ApiError for what is no temperature; the search has no use for one."""
    try:
        fits = value is None or 0 <= float(value) <= 1
    except ValueError:
        fits = False
    if not fits:
        raise bad_value("temperature", f"{value!r:.40} is not a number from 0 to 1")


def _language(form: FormData) -> str | None:
    """Return the one language that is given; with several, the model is to find out."""
    several = _texts(form, "languages")
    return _text(form, "language") or (several[0] if len(several) == 1 else None)


def _keywords(form: FormData) -> tuple[str, ...]:
    return checked_phrases(_texts(form, "keywords"))


def checked_phrases(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return phrases without what is empty; raises ApiError 400 for too many or too long ones."""
    found = tuple(phrase.strip() for phrase in phrases if phrase.strip())
    if len(found) > MAX_PHRASES:
        raise bad_value("keywords", f"there are {len(found)}; send at most {MAX_PHRASES}")
    if any(len(keyword) > MAX_PHRASE_CHARACTERS for keyword in found):
        raise bad_value("keywords", f"one is longer than {MAX_PHRASE_CHARACTERS} characters")
    return found


def named_in(prompt: str) -> list[str]:
    """Return the names and terms of a prompt: what stands between commas, semicolons and lines."""
    parts = [part.strip(" \t.:!?\"'") for part in re.split(r"[,;\n\r]|\.\s", prompt)]
    terms = [p for p in parts if p and len(p.split()) <= PROMPT_PHRASE_WORDS]
    return [term for term in terms if len(term) <= MAX_PHRASE_CHARACTERS][:MAX_PHRASES]


def _granularities(form: FormData, format: str) -> tuple[str, ...]:
    name = "timestamp_granularities"
    found = [_choice(name, value, GRANULARITIES) for value in _texts(form, name)]
    if found and format != "verbose_json":
        raise bad_value(name, "is for response_format verbose_json")
    return tuple(dict.fromkeys(found)) or ("segment",)


def _includes_log_probs(form: FormData, format: str) -> bool:
    found = [_choice("include", value, ("logprobs",)) for value in _texts(form, "include")]
    if found and format != "json":
        raise bad_value("include", "logprobs is for response_format json")
    return bool(found)


def _shown_name(given: str | None) -> str:
    """What messages call the recording: the last part of its name. Nothing is opened by it."""
    name = PurePath((given or "").replace("\\", "/")).name[-_NAME_CHARACTERS:]
    return name if name.isprintable() and name else "the recording"
