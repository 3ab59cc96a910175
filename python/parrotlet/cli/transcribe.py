"""`parrotlet transcribe`: recordings to text, JSON or subtitles."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.cli.console import Bar, UsageError, complain, interruptible
from parrotlet.cli.model_options import add_model_options, open_model
from parrotlet.errors import AudioError, ParrotletError
from parrotlet.model import Model
from parrotlet.output import EXTENSIONS, output_paths, render, write_text
from parrotlet.results import Transcription

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "transcribe",
        help="print what is said in recordings",
        description="Transcribe recordings (WAV, FLAC, OGG, MP3; any sampling rate and channels).",
        epilog="Text goes to standard output: one recording as it is, several as NAME: TEXT, "
        "json as one line each. Exit status: 0, 1 if a recording failed (the others are still "
        "transcribed), 2 for a wrong command line.",
    )
    parser.add_argument(
        "audio", metavar="AUDIO", nargs="+", help="recordings; - reads one from standard input"
    )
    parser.add_argument("--format", "-f", choices=EXTENSIONS, default="text", help="default: text")
    parser.add_argument(
        "--output-dir",
        "-d",
        metavar="DIR",
        type=Path,
        help="write one file for each recording into DIR instead of printing",
    )
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Transcribe every recording; one that fails does not stop the others."""
    _check_possible(args)
    model = open_model(args)
    outputs: list[Path | None] = [None] * len(args.audio)
    if args.output_dir is not None:
        _make_directory(args.output_dir)
        outputs[:] = output_paths(args.audio, args.output_dir, EXTENSIONS[args.format])
    return _run_all(args, model, outputs)


def _run_all(args: argparse.Namespace, model: Model, outputs: list[Path | None]) -> int:
    status = 0
    several = len(args.audio) > 1
    with Bar(not args.quiet, total=len(args.audio) if several else None) as bar:
        for done, (name, out) in enumerate(zip(args.audio, outputs, strict=True)):
            bar.update(done, f"transcribing {name}")
            try:
                result = interruptible(partial(_transcribe, model, name, args))
                with bar.paused():
                    _deliver(result, name if several else None, out, args)
            except ParrotletError as error:
                status = 1
                with bar.paused():
                    complain(error)
    return status


def _transcribe(model: Model, name: str, args: argparse.Namespace) -> Transcription:
    if name != "-":
        return model.transcribe(name, args.decoder, args.right_context)
    if sys.stdin.isatty():
        raise AudioError("-: standard input is a terminal; pipe a recording into it")
    return model.transcribe(sys.stdin.buffer, args.decoder, args.right_context)


def _deliver(
    result: Transcription, name: str | None, out: Path | None, args: argparse.Namespace
) -> None:
    """Write the result to `out`, or print it, with the recording's `name` where it needs one."""
    if out is None:
        text = render(result, args.format, compact=True)
        if name is not None and args.format == "text":
            text = f"{name}: {text}"
        sys.stdout.write(text)
        # Whoever reads a pipe gets each result when it is there.
        sys.stdout.flush()
        return
    try:
        write_text(out, render(result, args.format))
    except OSError as error:
        raise ParrotletError(f"{out}: cannot be written ({error.strerror})") from error
    if not args.quiet:
        print(f"wrote {out}", file=sys.stderr)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParrotletError(f"{path}: cannot be made a directory ({error.strerror})") from error


def _check_possible(args: argparse.Namespace) -> None:
    """Raise UsageError for what is wrong with the command line by itself."""
    if args.format in ("srt", "vtt") and len(args.audio) > 1 and args.output_dir is None:
        raise UsageError(f"--format {args.format} of several recordings needs --output-dir")
    if args.audio.count("-") > 1:
        raise UsageError("standard input (-) can be named once")
