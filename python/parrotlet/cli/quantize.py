"""`parrotlet quantize`: a GGUF file in f32 or f16 to one in another type."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from parrotlet import _core
from parrotlet.cli.console import Bar, HelpFormatter, human_bytes, path_name, warnings_told
from parrotlet.cli.progress import following
from parrotlet.conversion import quantize

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EPILOG = """\
examples:
  parrotlet quantize parakeet-f16.gguf parakeet-q8_0.gguf --type q8_0
  parrotlet quantize parakeet-f16.gguf small.gguf --type q4_k --keep '*.self_attn.*=q8_0'
  parrotlet quantize nvidia/parakeet-tdt-0.6b-v2 small.gguf --type q4_k --keep 'joint.*=f16'
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "quantize",
        help=summary,
        description="Write a GGUF file whose matrices are f32 or f16 anew with another type. A "
        "model on the Hugging Face hub is fetched once, and kept as f16.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "input",
        type=path_name,
        metavar="IN.gguf",
        help="a file in f32 or f16, or a repository of the Hugging Face hub: ORG/NAME, "
        "ORG/NAME@REVISION or ORG/NAME:FILE",
    )
    parser.add_argument("output", type=path_name, metavar="OUT.gguf", help="file to write")
    parser.add_argument(
        "--type", choices=_core.types(), required=True, help="what matrices are stored as"
    )
    parser.add_argument(
        "--keep",
        metavar="PATTERN=TYPE",
        type=pattern_and_type,
        action="append",
        default=[],
        help="store the matrices whose names match a shell-style pattern as TYPE instead; may be "
        "given several times, and the last that matches counts",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run, refuse=parser.error)


def pattern_and_type(text: str) -> tuple[str, str]:
    """Parse the value of --keep."""
    pattern, equals, kind = text.rpartition("=")
    if not (pattern and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=TYPE")
    if kind not in _core.types():
        known = ", ".join(_core.types())
        raise argparse.ArgumentTypeError(f"{text!r}: the type {kind!r} is none of {known}")
    return pattern, kind


def run(args: argparse.Namespace) -> int:
    """Quantise."""
    keep: dict[str, str] = {}
    for pattern, kind in args.keep:
        keep.pop(pattern, None)  # the order is that of the last mention
        keep[pattern] = kind
    quantising = Bar(not args.quiet, total=1.0, label=f"quantising {args.input}")
    with warnings_told(args.quiet), quantising as bar:
        try:
            written = quantize(
                args.input, args.output, args.type, keep, following(bar, "quantising")
            )
        except ValueError as error:
            if not keep:
                raise
            args.refuse(f"argument --keep: {error}")  # a pattern that matches nothing
    if not args.quiet:
        size = human_bytes(written.stat().st_size)
        print(f"wrote {written} ({size}, {args.type})", file=sys.stderr)
    return 0
