"""The `parrotlet` command: one module for each subcommand."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from parrotlet import _core
from parrotlet.cli import version
from parrotlet.cli.console import (
    EXIT_INTERRUPTED,
    HelpFormatter,
    UsageError,
    complain,
    prepare_streams,
    printing_notes,
    work_is_running,
)
from parrotlet.errors import ParrotletError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BROKEN_PIPE = 141

COMMANDS = {
    "transcribe": "print what is said in recordings",
    "stream": "print what is being said, live",
    "serve": "transcribe for other programs, over HTTP",
    "convert": "convert a checkpoint to a GGUF file",
    "models": "list published models and those in the cache, and remove from it",
    "quantize": "write a GGUF file in f32 or f16 anew in another type",
    "lm": "make an n-gram language model of text",
    "inspect": "print metadata and tensors of a GGUF file, or what a language model has",
    "memory": "print what a model will need, before it is loaded",
    "bench": "measure how fast a model is, and where its time goes",
    "completion": "print a shell's completion of this command",
}
"""What each command does: it is the module of its name here."""

EPILOG = """\
examples:
  parrotlet transcribe talk.flac
  parrotlet convert parakeet-tdt-0.6b-v2.nemo -o parakeet.gguf
  parrotlet transcribe -m parakeet.gguf recordings/ -d transcripts/ -f text,srt
  parrotlet stream -m nemotron.gguf --mic

parrotlet COMMAND --help describes a command, with examples.
"""


def command_of(words: Sequence[str]) -> str:
    """Return the command of a command line, and import what it needs; "" if there is none.

    What comes before it are options, none of which takes a value.
    """
    command = next((word for word in words if not word.startswith("-")), "")
    if command not in COMMANDS:
        return ""
    _module(command)
    return command


def _module(command: str) -> Any:
    return importlib.import_module(f"parrotlet.cli.{command}")


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line; with `only`, it describes the options of this command
    alone, and what others need is not imported."""
    parser = argparse.ArgumentParser(
        prog="parrotlet",
        description="Transcribe speech on the CPU with NVIDIA NeMo checkpoints.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    version.add_options(parser)
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if only in (None, name):
            _module(name).add_parser(commands, summary)
        else:
            commands.add_parser(name, help=summary)
    parser.set_defaults(build_parser=build_parser)  # for the command that describes all of them
    return parser


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what `argv` asks for. `--version` needs no command, which argparse cannot say."""
    words = sys.argv[1:] if argv is None else argv
    parser = build_parser(command_of(words))
    args = parser.parse_args(words)
    if args.version:
        args.run = version.run
    elif args.version_details:
        parser.error("-v stands after --version, or after the command that it is for")
    elif "run" not in args:
        parser.error("the following arguments are required: COMMAND")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` and return the exit status.

    0: everything worked; 1: a file failed; 2: the command line is wrong.
    """
    prepare_streams()
    _core.return_large_blocks()
    args = parse_arguments(argv)
    try:
        with printing_notes(getattr(args, "quiet", False)):
            status: int = args.run(args)
        sys.stdout.flush()
    except ParrotletError as error:
        complain(error)
        return EXIT_FAILED
    except UsageError as error:
        complain(error)
        return EXIT_USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        if work_is_running():
            # Native code does not stop half-way, and must not outlive the interpreter.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as with `| head`; the interpreter must not flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        # What can fail in a file is a ParrotletError; left is standard output, as on a full disk.
        complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return EXIT_FAILED
    return status
