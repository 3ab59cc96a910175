"""What a client says about a recording, as choices that a model has."""

from __future__ import annotations

import re
from collections.abc import Iterable

from parrotlet.decoding.options import Decoding
from parrotlet.model import Model
from parrotlet.serve.errors import bad_value
from parrotlet.serve.live.turns import Choices


def make_choices(
    model: Model,
    language: str | None = None,
    prompt: str | None = None,
    keywords: Iterable[str] = (),
    right_context: int | None = None,
) -> Choices:
    """Return the choices; the keywords, and what commas and lines divide the prompt into, are
    phrases that are preferred. Raises ApiError 400, and PhrasesError for phrases that the model
    cannot write."""
    parts = [*keywords, *re.split(r"[,;\n]", prompt or "")]
    phrases = tuple(dict.fromkeys(stripped for part in parts if (stripped := part.strip())))
    decoding = Decoding(phrases=phrases)
    return Choices(decoding, find_language(model, language), right_context)


def find_language(model: Model, language: str | None) -> str | None:
    """Return the model's name for a language, which may be "de" for "de-DE".

    None for a model that is told none. Raises ApiError 400 for a language that it does not have.
    """
    if not model.languages or not language:
        return None
    wanted = language.lower().replace("_", "-")
    names = {name.lower(): name for name in model.languages}
    if wanted in names:
        return names[wanted]
    found = next((name for low, name in names.items() if low.split("-")[0] == wanted), None)
    if found is None:
        raise bad_value(
            "language", f"{language!r:.100} is none of the model's: {', '.join(model.languages)}"
        )
    return found
