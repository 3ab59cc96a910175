"""`parrotlet transcribe`: recordings to text, JSON, subtitles and tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from parrotlet.batch import Outcome
from parrotlet.cli.console import (
    HelpFormatter,
    UsageError,
    byte_count,
    complain,
    directory,
    json_for,
    on_one_line,
)
from parrotlet.cli.decoding_options import add_decoding_options, decoding_of, origin_of
from parrotlet.cli.folders import LeftOut
from parrotlet.cli.inputs import STANDARD_INPUT, Input, find_inputs
from parrotlet.cli.language_options import add_language_options, language_origin
from parrotlet.cli.model_options import add_attention_window, add_model_options, open_model
from parrotlet.cli.outputs import Outputs
from parrotlet.cli.tally import Tally
from parrotlet.cli.transcribe_bar import TranscribeBar
from parrotlet.decoding.options import Decoding, find_head
from parrotlet.errors import ParrotletError
from parrotlet.longform.limits import MIN_WINDOW_SECONDS
from parrotlet.model import Model
from parrotlet.model_files import identity
from parrotlet.output import EXTENSIONS, render
from parrotlet.results import Transcription

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EPILOG = """\
examples:
  parrotlet transcribe talk.flac
      print what is said
  parrotlet transcribe interview.mp4 -f srt > interview.srt
      subtitles of a video
  parrotlet transcribe recordings/ -d transcripts/ -f text,srt,json
      all recordings in a folder and below, three files for each
  parrotlet transcribe recordings/ -d transcripts/ -f text,srt,json --resume
      go on after an interruption
  parrotlet transcribe call.wav --split-channels
      each channel is a speaker
  parrotlet transcribe -m nemotron-3.5.gguf interview.wav --language de-DE
      in German, with a model that knows several languages
  parrotlet transcribe board.wav --phrases names.txt --lm minutes.arpa.gz
      with names and a language model of one's own
  ffmpeg -i talk.webm -f wav - | parrotlet transcribe -
      from a pipe

Text goes to standard output: one recording as it is, several as NAME: TEXT, json as one line each.
Everything else goes to standard error. Exit status: 0, 1 if a recording failed (the others are
still transcribed), 2 for a wrong command line, 130 after Ctrl-C.
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "transcribe",
        help=summary,
        description="Transcribe recordings of any length, sampling rate and number of channels: "
        "sound and video in every format that FFmpeg knows.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "audio",
        metavar="AUDIO",
        nargs="+",
        help="recordings, folders of them, or patterns in quotes ('talks/**/*.mp3'); "
        "- reads one from standard input",
    )
    _add_output_options(parser)
    _add_recording_options(parser)
    add_model_options(parser)
    add_language_options(parser)
    add_decoding_options(parser)
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="say what is used, and done, on standard error"
    )
    parser.set_defaults(run=run)


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        "-f",
        type=_formats,
        default=["text"],
        metavar="FORMAT[,...]",
        help=f"{', '.join(EXTENSIONS)}; several with --output-dir (default: text)",
    )
    group.add_argument(
        "--output-dir",
        "-d",
        metavar="DIR",
        type=directory,
        help="write a file for each recording and format into DIR instead of printing",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="leave out recordings whose files are in DIR already, made from the same recording "
        "with the same model and options (DIR/.parrotlet.jsonl says with which)",
    )


def _add_recording_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recordings")
    channels = group.add_mutually_exclusive_group()
    channels.add_argument(
        "--channel",
        type=_channel,
        metavar="N",
        help="transcribe one channel, from 1 (default: their mean, or the loudest where that "
        "would be far fainter)",
    )
    channels.add_argument(
        "--split-channels",
        action="store_true",
        help="transcribe each channel by itself, as a speaker of its own",
    )
    group.add_argument(
        "--track",
        type=_track,
        metavar="N",
        help="transcribe this sound track of a video, from 1 (default: the default track, or the "
        "first with sound in it that is no commentary; -v names them)",
    )
    group.add_argument(
        "--max-memory",
        type=byte_count,
        metavar="SIZE",
        help="what the process may use, such as 2G: shorter windows, or fewer at once "
        "(default: what the model takes and half of what is free)",
    )
    group.add_argument(
        "--window",
        type=_window,
        metavar="SECONDS",
        help="longest part of a recording that is recognised at once "
        "(default: 30, and 60 for a recording that is no longer)",
    )
    add_attention_window(group)


def _formats(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in EXTENSIONS:
            raise argparse.ArgumentTypeError(
                f"{name!r} is not one of {', '.join(EXTENSIONS)}, or several with commas"
            )
    return names


def _channel(text: str) -> int:
    return _number(text, "channel")


def _track(text: str) -> int:
    return _number(text, "track")


def _number(text: str, of: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a {of}'s number, from 1")
    return int(text)


def _window(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds >= MIN_WINDOW_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not {MIN_WINDOW_SECONDS:g} seconds or more")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Transcribe every recording; one that fails does not stop the others."""
    left_out = LeftOut()
    inputs = find_inputs(args.audio, left_out)
    _check_possible(args, inputs)
    if not args.quiet:
        for line in left_out.messages():
            complain(line)
    model = open_model(args)
    decoding = decoding_of(args, model)
    outputs = None
    if args.output_dir is not None:
        choices = _choices(args, model, decoding)
        outputs = Outputs(args.output_dir, args.format, inputs, choices)
    return _Batch(args, model, decoding, inputs, outputs).run()


def _choices(args: argparse.Namespace, model: Model, decoding: Decoding) -> dict[str, object]:
    """What outputs depend on besides the recording.

    Threads and memory are left out: the next run may have more or less of them.
    """
    right_context = args.right_context
    if right_context is None and model.right_contexts:
        right_context = model.right_contexts[0]
    return {
        "model": identity(model.path),
        "head": find_head(args.head, model.heads),
        "right_context": right_context,
        "channel": "each" if args.split_channels else args.channel,
        "track": args.track,
        "window": args.window,
        "attention_window": args.attention_window,
        **origin_of(decoding),
        **language_origin(args.language, decoding),
    }


def _check_possible(args: argparse.Namespace, inputs: list[Input]) -> None:
    """Raise UsageError for what is wrong with the command line by itself."""
    if args.audio.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input (-) can be named once")
    if args.output_dir is not None:
        return
    if args.resume:
        raise UsageError("--resume needs --output-dir: it looks there for what is done")
    if len(args.format) > 1:
        raise UsageError("several formats need --output-dir")
    if args.format[0] not in ("text", "json") and len(inputs) > 1:
        raise UsageError(f"--format {args.format[0]} of several recordings needs --output-dir")


def _checked(item: Input, obstacle: ParrotletError | None) -> Input:
    """Return an input whose outputs are known to be impossible as one that fails."""
    return item if item.error or obstacle is None else replace(item, error=obstacle)


class _Batch:
    """The recordings of a command line, and what becomes of them."""

    def __init__(
        self,
        args: argparse.Namespace,
        model: Model,
        decoding: Decoding,
        inputs: Sequence[Input],
        outputs: Outputs | None,
    ) -> None:
        self._args = args
        self._model = model
        self._decoding = decoding
        self._outputs = outputs
        self._named = len(inputs) > 1
        self._todo: list[tuple[Input, Path | None]] = [(item, None) for item in inputs]
        if outputs is not None:
            self._todo = [
                (_checked(item, outputs.obstacle(base)), base)
                for item, base in zip(inputs, outputs.bases, strict=True)
                if not (args.resume and outputs.is_done(item, base, explain=args.verbose))
            ]
        self._readable = [item for item, _ in self._todo if item.error is None]
        self._tally = Tally(len(inputs), len(inputs) - len(self._todo))

    def run(self) -> int:
        args = self._args
        self._say(f"{self._model!r}, {self._model.threads} threads")
        with TranscribeBar(not args.quiet, [item.name for item in self._readable]) as self._bar:
            try:
                self._run_all()
            except KeyboardInterrupt:
                self._bar.close()
                if self._named:
                    complain(self._tally.interrupted(args.output_dir is not None))
                raise
        worth_saying = self._named or not self._todo
        shown = args.verbose or args.output_dir is not None or sys.stderr.isatty()
        if worth_saying and shown and not args.quiet:
            for line in self._tally.summary():
                complain(line)
        return 1 if self._tally.failures else 0

    def _run_all(self) -> None:
        with closing(self._outcomes()) as outcomes:
            self._deliver_all(outcomes)

    def _deliver_all(self, outcomes: Iterator[Outcome]) -> None:
        for item, base in self._todo:
            try:
                if item.error is not None:
                    raise item.error
                outcome = next(outcomes)
                if outcome.result is None:
                    raise outcome.error or ParrotletError(f"{item.name}: failed")
                with self._bar.paused():
                    self._explain(outcome)
                    self._deliver(outcome.result, item, base)
                self._tally.finish(outcome.result.duration)
            except ParrotletError as error:
                self._tally.fail(error)
                with self._bar.paused():
                    complain(error)

    def _outcomes(self) -> Generator[Outcome, None, None]:
        args = self._args
        try:
            return self._model.transcribe_batch(
                [item.source for item in self._readable],
                right_context=args.right_context,
                channel=args.channel,
                split_channels=args.split_channels,
                track=args.track,
                max_memory=args.max_memory,
                window=args.window,
                attention_window=args.attention_window,
                progress=self._bar.update,
                decoding=self._decoding,
                language=args.language,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _explain(self, outcome: Outcome) -> None:
        """Say what is wrong with a recording, and with `-v` which of its tracks was taken."""
        for track in outcome.tracks if len(outcome.tracks) > 1 else ():
            mark = ", transcribed" if track == outcome.track else ""
            self._say(f"{outcome.audio}: {track}{mark}")
        if outcome.result is not None and not self._args.quiet:
            for warning in outcome.result.warnings:
                complain(f"{outcome.audio}: {warning}")

    def _deliver(self, result: Transcription, item: Input, base: Path | None) -> None:
        """Write the result to files, or print it, with the recording's name where it needs one."""
        args = self._args
        self._say(f"{item.name}: {result.duration:.1f} s, {len(result.words)} words")
        if self._outputs is None or base is None:
            text = render(result, args.format[0], compact=True)
            if args.format == ["json"]:
                text = json_for(sys.stdout, text)
            elif self._named and args.format == ["text"]:
                text = f"{on_one_line(item.name)}: {text}"
            sys.stdout.write(text)
            # Whoever reads a pipe gets each result when it is there.
            sys.stdout.flush()
            return
        for path in self._outputs.write(result, item, base):
            if not args.quiet:
                print(f"wrote {on_one_line(str(path))}", file=sys.stderr)

    def _say(self, message: str) -> None:
        if self._args.verbose:
            complain(message)
