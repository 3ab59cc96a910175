"""`parrotlet stream`: text while the sound arrives."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from parrotlet.cli import sources
from parrotlet.cli.console import EXIT_INTERRUPTED, HelpFormatter, UsageError, natural
from parrotlet.cli.decoding_options import add_decoding_options, decoding_of
from parrotlet.cli.language_options import add_language_options
from parrotlet.cli.live import Display, JsonLines, LiveText, PlainText, can_redraw
from parrotlet.cli.model_options import add_model_options, open_model
from parrotlet.errors import AudioError
from parrotlet.model import Model
from parrotlet.samples import Samples
from parrotlet.streaming import Stream

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EXAMPLES = """\
examples:
  parrotlet stream -m nemotron.gguf --mic
  parrotlet stream -m nemotron.gguf talk.wav --fast
  parrotlet stream -m nemotron.gguf hall.wav lobby.wav gate.wav
  parrotlet stream -m unified.gguf --mic --chunk-size 2 --right-context 5
  parrotlet stream -m nemotron.gguf --mic --phrases 'Ingeborg Bachmann, Malina'
  arecord -q -f S16_LE -r 16000 -t raw | parrotlet stream -m nemotron.gguf -"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "stream",
        help=summary,
        description="Transcribe a signal while it arrives, with a model that was "
        "trained for streaming, or with --chunk-size.",
        epilog=EXAMPLES
        + "\n\nOn a terminal the last row shows words before they are final. Elsewhere text is "
        "written as it becomes final, a sentence or an utterance on a line, after the name of its "
        "recording if there are several. Ctrl-C ends the stream and prints what was said until "
        "then. Exit status: 0, 1 if the recording or the microphone "
        "failed, 2 for a wrong command line, 130 after Ctrl-C.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "audio",
        metavar="AUDIO",
        nargs="*",
        help="a recording, given out in real time; - reads raw 16-bit little-endian mono samples "
        "at 16 kHz from standard input; several are live at the same time",
    )
    parser.add_argument("--mic", action="store_true", help="listen to the microphone")
    parser.add_argument(
        "--fast", action="store_true", help="take a recording as fast as it can be transcribed"
    )
    parser.add_argument(
        "--format",
        "-f",
        choices=("text", "json"),
        default="text",
        help="json: an object on a line for each change, and the whole result at the end",
    )
    add_model_options(parser)
    add_language_options(parser)
    _add_buffer_options(parser)
    add_decoding_options(parser)
    parser.set_defaults(run=run)


def _add_buffer_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "buffered streaming",
        "for models that attend to whole recordings; counts are of encoder frames, as those of "
        "--right-context, which may then be any",
    )
    group.add_argument(
        "--chunk-size",
        type=natural,
        metavar="N",
        help="frames that are recognised at a time (default: the longest that the model was "
        "trained with and that is no longer than the right context; other models need it)",
    )
    group.add_argument(
        "--left-context",
        type=natural,
        metavar="N",
        help="frames that are heard again before a chunk (default: as trained, or 10 s)",
    )


def run(args: argparse.Namespace) -> int:
    """Transcribe the source until it ends, or until Ctrl-C."""
    if bool(args.audio) == args.mic:
        raise UsageError("name recordings, - for standard input, or --mic")
    if args.audio.count("-") > 1:
        raise UsageError("- is there twice, and standard input only once")
    model = open_model(args)
    if len(args.audio) > 1:
        return _follow_all(args, model)
    stream = _stream(args, model)
    name = None if args.mic else args.audio[0]
    source = _source(args, name, model.sample_rate)
    if args.mic and not args.quiet:
        print("parrotlet: listening; Ctrl-C ends", file=sys.stderr, flush=True)
    return _follow(stream, source, name, _display(args.format))


def _stream(args: argparse.Namespace, model: Model) -> Stream:
    """Start a stream; raises UsageError for contexts that the model cannot have."""
    decoding = decoding_of(args, model)
    try:
        return model.stream(
            args.right_context,
            decoding=decoding,
            chunk_size=args.chunk_size,
            left_context=args.left_context,
            language=args.language,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _follow_all(args: argparse.Namespace, model: Model) -> int:
    """Show several recordings, as streams of a group."""
    if args.chunk_size is not None or args.left_context is not None:
        raise UsageError("buffered streams are one at a time; name one recording")
    from parrotlet.cli.stream_together import follow_all  # loads what one stream does not need

    group = model.streams(
        args.right_context,
        decoding=decoding_of(args, model),
        language=args.language,
        max_streams=len(args.audio),
    )
    with group:
        inputs = [(name, _source(args, name, model.sample_rate)) for name in args.audio]
        return follow_all(group, inputs, args.format)


def _source(args: argparse.Namespace, name: str | None, sample_rate: int) -> Iterator[Samples]:
    if name is None:
        return sources.microphone(sample_rate)
    if name == "-":
        return sources.standard_input(sample_rate)
    blocks = sources.recording(name, sample_rate)
    return blocks if args.fast else sources.paced(blocks, sample_rate)


def _display(format: str) -> Display:
    if format == "json":
        return JsonLines(sys.stdout)
    return LiveText(sys.stdout) if can_redraw(sys.stdout) else PlainText(sys.stdout)


def _follow(stream: Stream, source: Iterable[Samples], name: str | None, display: Display) -> int:
    """Show what `stream` recognises in `source` until that ends, fails or is interrupted."""
    status = 0
    failure = None
    with _Interrupts() as interrupts:
        try:
            for block in interrupts.between(source):
                display.show(stream.feed(block))
        except AudioError as error:
            failure = error
        except KeyboardInterrupt:
            status = EXIT_INTERRUPTED
        result = replace(stream.finish(), audio=name)
        display.show(stream.partial)
        display.close(None if failure else result)
    if failure is not None:
        raise failure
    return status


class _Interrupts:
    """Lets Ctrl-C interrupt waiting for samples, but not work on them.

    Pressed again, it interrupts anything.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._pressed = False

    def __enter__(self) -> _Interrupts:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def between(self, source: Iterable[Samples]) -> Iterator[Samples]:
        """Give the blocks of `source`; KeyboardInterrupt is raised between them."""
        blocks = iter(source)
        while True:
            self._waiting = True
            if self._pressed:
                raise KeyboardInterrupt
            block = next(blocks, None)
            self._waiting = False
            if block is None:
                return
            yield block

    def _press(self, number: int, frame: FrameType | None) -> None:
        anything = self._waiting or self._pressed
        self._waiting, self._pressed = False, True
        if anything:
            raise KeyboardInterrupt
