"""`parrotlet convert`: a checkpoint to a GGUF file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet import _core, hub
from parrotlet.cli.console import Bar, HelpFormatter, human_bytes, path_name, warnings_told
from parrotlet.cli.progress import following
from parrotlet.conversion import convert

if TYPE_CHECKING:
    from argparse import _SubParsersAction

DEFAULT_TYPE = "q8_0"

EPILOG = """\
examples:
  parrotlet convert nvidia/parakeet-tdt-0.6b-v2 -o parakeet.gguf
  parrotlet convert parakeet-tdt-0.6b-v2.nemo --type q4_k     (smaller; a little less accurate)
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "convert",
        help=summary,
        description="Convert a checkpoint to a GGUF file that holds the whole model. A model on "
        "the Hugging Face hub is fetched once, into the hub's own cache.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "checkpoint",
        type=path_name,
        metavar="CHECKPOINT",
        help="a .nemo file, a .ckpt file of NeMo's training, a directory that transformers saved, "
        "a GGUF file of another project (NeMo-Speech.cpp, parakeet.cpp, transcribe.cpp, CrispASR), "
        "a PyTorch file of an LMU model (with its configuration in it or as YAML beside it), or a "
        "repository of the Hugging Face hub: ORG/NAME, ORG/NAME@REVISION or ORG/NAME:FILE",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_name,
        metavar="MODEL.gguf",
        help="file to write (default: CHECKPOINT-TYPE.gguf beside the checkpoint, or here for one "
        "from the hub)",
    )
    parser.add_argument(
        "--type",
        choices=_core.types(),
        default=DEFAULT_TYPE,
        help=f"what matrices are stored as (default: {DEFAULT_TYPE}); those that a GGUF file has "
        "in blocks stay as they are, unless it is f32 or f16",
    )
    parser.add_argument(
        "--tokenizer",
        type=path_name,
        metavar="DIR|FILE",
        help="the tokenizer of a .ckpt that has none beside it, or of a .nemo that lacks it: "
        "tokenizer.model, or vocab.txt of WordPiece",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print errors only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert."""
    out = Path(args.output or _default_output(args.checkpoint, args.type))
    label = f"converting {Path(args.checkpoint).name}"
    with warnings_told(args.quiet), Bar(not args.quiet, total=1.0, label=label) as bar:
        written = convert(
            args.checkpoint,
            out,
            type=args.type,
            progress=following(bar),
            tokenizer=args.tokenizer,
        )
    if not args.quiet:
        size = human_bytes(written.stat().st_size)
        print(f"wrote {written} ({size}, {args.type})", file=sys.stderr)
    return 0


def _default_output(checkpoint: str, type: str) -> Path:
    repository = hub.repository(checkpoint)
    if repository is not None:
        return Path(f"{repository.name}-{type}.gguf")
    path = Path(checkpoint)
    # What a directory is called may have dots in it.
    stem = path.resolve().name if path.is_dir() else path.stem
    return path.with_name(f"{stem}-{type}.gguf")
