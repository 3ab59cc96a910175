"""The options that say in which language a recording is, of every command that transcribes."""

from __future__ import annotations

import argparse

from parrotlet.decoding.options import Decoding


def add_language_options(parser: argparse.ArgumentParser) -> None:
    """Add --language, and what `keeps_tags` reads."""
    group = parser.add_argument_group("languages, of models that are told one")
    group.add_argument(
        "--language",
        metavar="L",
        help="the language that is spoken, such as de-DE, one of those that `parrotlet inspect` "
        "lists (default: auto, the model finds out)",
    )
    group.add_argument(
        "--keep-language-tags",
        action="store_true",
        help="leave tags such as <de-DE>, which say what language was heard, in the text",
    )


def keeps_tags(args: argparse.Namespace) -> bool:
    """Whether tags stay in the text, which no command without the option shows."""
    return getattr(args, "keep_language_tags", False)


def language_origin(language: str | None, decoding: Decoding) -> dict[str, object]:
    """What outputs depend on; nothing by default."""
    origin: dict[str, object] = {} if language is None else {"language": language}
    return origin | ({"keep_language_tags": True} if decoding.keep_language_tags else {})
