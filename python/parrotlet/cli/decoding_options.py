"""The options that say how tokens are searched for: beams, and one's own words."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

from parrotlet.cli.beam_options import add_beam_options, beam_of, beam_origin
from parrotlet.cli.console import Bar, UsageError, path_name, warnings_told
from parrotlet.cli.language_options import keeps_tags
from parrotlet.decoding.language_model import LanguageModel
from parrotlet.decoding.options import Decoding
from parrotlet.decoding.phrases import Phrases, is_finite, read_phrases
from parrotlet.errors import LanguageModelError, PhrasesError
from parrotlet.model import Model

_LISTS = (".txt", ".tsv", ".csv", ".list", ".lst", ".phrases")
"""Ends of names that are those of files rather than of phrases."""


_BLOCK = 1 << 20


def add_decoding_options(parser: argparse.ArgumentParser, alternatives: bool = True) -> None:
    """Add what `chosen_decoding` reads, besides `--head`; `alternatives` as for beams."""
    add_beam_options(parser, alternatives)
    defaults = Decoding()
    group = parser.add_argument_group("your own words")
    group.add_argument(
        "--phrases",
        metavar="FILE|'A, B'",
        help="names and terms to prefer: a file with one a line, and after a tab its score if it "
        "has its own, or a list with commas; also as lower case, capitals and missing punctuation "
        "write them",
    )
    group.add_argument(
        "--phrase-weight",
        type=_weight,
        metavar="W",
        help=f"how much phrases count (default: {defaults.phrase_weight:g})",
    )
    group.add_argument(
        "--lm",
        type=path_name,
        metavar="FILE",
        help="an n-gram language model over this model's tokens, as `parrotlet lm` makes it",
    )
    group.add_argument(
        "--lm-weight",
        type=_weight,
        metavar="W",
        help=f"how much the language model counts (default: {defaults.language_model_weight:g})",
    )


def decoding_of(args: argparse.Namespace, model: Model) -> Decoding:
    """Return the search that the command line asks for, made ready for `model`.

    Raises what `chosen_decoding` raises, UsageError for weights that are too large and a language
    that the model does not have, and ParrotletError for a file that cannot be used.
    """
    decoding = chosen_decoding(args)
    _prepare(decoding, model, args.language, args.quiet)
    return decoding


def chosen_decoding(args: argparse.Namespace) -> Decoding:
    """Return the search that the command line asks for.

    Raises UsageError for a weight of nothing, and PhrasesError for phrases that cannot be read.
    """
    defaults = Decoding()
    return Decoding(
        head=args.head,
        phrases=() if args.phrases is None else parse_phrases(args.phrases),
        phrase_weight=_weight_of(
            args.phrase_weight, "--phrase-weight", args.phrases, "--phrases", defaults.phrase_weight
        ),
        language_model=args.lm,
        language_model_weight=_weight_of(
            args.lm_weight, "--lm-weight", args.lm, "--lm", defaults.language_model_weight
        ),
        keep_language_tags=keeps_tags(args),
        **beam_of(args),
    )


def origin_of(decoding: Decoding) -> dict[str, object]:
    """What outputs depend on in the search: contents of files, and weights where they count."""
    origin = beam_origin(decoding)
    if isinstance(decoding.phrases, Phrases) and len(decoding.phrases):
        digest = hashlib.sha256(repr(decoding.phrases).encode()).hexdigest()
        origin |= {"phrases": digest, "phrase_weight": decoding.phrase_weight}
    if isinstance(decoding.language_model, LanguageModel):
        origin |= {
            "lm": _digest(decoding.language_model.path),
            "lm_weight": decoding.language_model_weight,
        }
    return origin


def parse_phrases(text: str) -> Phrases:
    """Read the value of --phrases: the file of that name, or else a list with commas.

    Raises PhrasesError for a file that cannot be read, also where there is none of a name that is
    a file's, and for a list without phrases.
    """
    # A long list is too long for a name, at which Path.exists fails.
    if os.path.exists(text) or _is_file_name(text):  # noqa: PTH110
        return Phrases(read_phrases(text), variants=True)
    phrases = [phrase.strip() for phrase in text.split(",") if phrase.strip()]
    if not phrases:
        raise PhrasesError(f"--phrases is {text!r}; name a file, or phrases with commas between")
    return Phrases(phrases, variants=True)


def _is_file_name(text: str) -> bool:
    """Whether a text, of which there is no file, is a file's name and no phrase."""
    if "," in text:
        return False
    folder = os.path.dirname(text)  # noqa: PTH120 (Path would take "./a" for "a")
    return text.lower().endswith(_LISTS) or (bool(folder) and Path(folder).is_dir())


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not is_finite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def _weight_of(
    weight: float | None, option: str, file: str | None, of: str, default: float
) -> float:
    if weight is None:
        return default
    if file is None:
        raise UsageError(f"{option} needs {of}")
    return weight


def _prepare(decoding: Decoding, model: Model, language: str | None, quiet: bool) -> None:
    """Read and build everything before the first recording, and say what is odd about it."""
    lm = decoding.language_model
    if isinstance(lm, LanguageModel):
        label = f"reading {Path(lm.path).name}"
        with Bar(not quiet, total=1.0, label=label) as bar:
            lm.scorer(
                len(model.vocabulary),
                lambda done, total: bar.update(done / max(total, 1), label),
            )
    try:
        with warnings_told(quiet):
            model.prepare(decoding, language)
    except ValueError as error:  # weights that are too large together, or the language
        raise UsageError(str(error)) from error


def _digest(path: str | os.PathLike[str]) -> str:
    """A checksum of a file that has been read."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()
    except OSError as error:
        raise LanguageModelError(f"{path}: cannot be read ({error.strerror or error})") from error
