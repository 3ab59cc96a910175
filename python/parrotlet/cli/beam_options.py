"""The options of a beam search, of every command that transcribes."""

from __future__ import annotations

import argparse
from typing import TypedDict

from parrotlet.cli.console import UsageError
from parrotlet.decoding.options import Decoding


class Beam(TypedDict):
    """The settings of `Decoding` that the options are."""

    beam: int
    nbest: int


def add_beam_options(parser: argparse.ArgumentParser, alternatives: bool = True) -> None:
    """Add what `beam_of` reads; `alternatives` is whether several texts can be asked for."""
    parser.add_argument(
        "--beam",
        type=_count,
        default=1,
        metavar="N",
        help="hypotheses that are weighed against each other: 4 finds more than 1, the default, "
        "and takes longer",
    )
    if not alternatives:
        parser.set_defaults(nbest=1)
        return
    parser.add_argument(
        "--nbest",
        type=_count,
        default=1,
        metavar="N",
        help="texts that JSON gives of a recording, the best first, with their scores; at most as "
        "many as --beam",
    )


def beam_of(args: argparse.Namespace) -> Beam:
    """Return the values of these options for `Decoding`.

    Raises UsageError for those that do not go together, and for several texts in a format that has
    one.
    """
    values = Beam(beam=args.beam, nbest=args.nbest)
    try:
        Decoding(**values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if args.nbest > 1 and args.format != "json" and "json" not in args.format:
        raise UsageError(f"--nbest {args.nbest}: only json gives several texts; add --format json")
    return values


def beam_origin(decoding: Decoding) -> dict[str, object]:
    """What outputs depend on in a beam; nothing where there is none."""
    return {} if decoding.beam == 1 else {"beam": decoding.beam, "nbest": decoding.nbest}


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)
