"""`parrotlet convert`: a checkpoint to a GGUF file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet import _core
from parrotlet.cli.console import Bar, HelpFormatter, human_bytes
from parrotlet.conversion import convert

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DEFAULT_TYPE = "q8_0"

EPILOG = """\
examples:
  parrotlet convert parakeet-tdt-0.6b-v2.nemo -o parakeet.gguf
  parrotlet convert parakeet-tdt-0.6b-v2.nemo --type q4_k     (smaller; a little less accurate)
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "convert",
        help="convert a checkpoint to a GGUF file",
        description="Convert a NeMo checkpoint (.nemo), or a PyTorch file of an LMU model with its "
        "configuration in it or as YAML beside it, to a GGUF file that holds the whole model.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the .nemo or .pt file")
    parser.add_argument(
        "-o",
        "--output",
        metavar="MODEL.gguf",
        help="file to write (default: CHECKPOINT-TYPE.gguf beside the checkpoint)",
    )
    parser.add_argument(
        "--type",
        choices=_core.types(),
        default=DEFAULT_TYPE,
        help=f"what matrices are stored as (default: {DEFAULT_TYPE})",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert."""
    checkpoint = Path(args.checkpoint)
    out = Path(args.output or checkpoint.with_name(f"{checkpoint.stem}-{args.type}.gguf"))
    with Bar(not args.quiet, total=1.0, label=f"converting {checkpoint.name}") as bar:

        def progress(done: int, total: int, name: str) -> None:
            bar.update(done / max(total, 1), f"converting {name}")

        written = convert(checkpoint, out, type=args.type, progress=progress)
    if not args.quiet:
        size = human_bytes(written.stat().st_size)
        print(f"wrote {written} ({size}, {args.type})", file=sys.stderr)
    return 0
