"""Messages and progress on standard error."""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from parrotlet.interrupts import EXIT_INTERRUPTED as EXIT_INTERRUPTED
from parrotlet.machine import MAX_THREADS, parse_bytes
from parrotlet.workers import WORKER_NAME

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

BAR_DELAY = 2.0
"""Seconds before a progress bar appears: most recordings are done by then."""

WIDE = 60
"""Columns of a terminal that has room for the time that has passed beside the time left."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_T = TypeVar("_T")


class UsageError(Exception):
    """The command line is wrong, by itself or for the model that it names."""


class HelpFormatter(argparse.HelpFormatter):
    """Fills paragraphs, and leaves those alone that begin with "examples:"."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = []
        for part in text.split("\n\n"):
            raw = part.startswith("examples:")
            parts.append(part.rstrip() if raw else super()._fill_text(part, width, indent))
        return "\n\n".join(parts)


def prepare_streams() -> None:
    """Let any text and any file name be printed: odd names as the bytes they are.

    A stream that is closed, as with `2>&-`, is replaced by an empty one.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            empty = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (stays open)
            setattr(sys, name, empty)
    if isinstance(sys.stdout, io.TextIOWrapper):
        utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "replace")


class Out(Protocol):
    """What text is written to: a file, or what stands for one."""

    @property
    def encoding(self) -> str:
        """What text becomes there."""

    def write(self, text: str, /) -> object:
        """Write."""

    def flush(self) -> object:
        """Let readers have it."""


def json_for(out: Out, text: str) -> str:
    """Return JSON with what `out` cannot write as escapes; elsewhere letters stay as they are."""
    try:
        text.encode(out.encoding or "utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    return text


def print_json(value: object) -> None:
    """Print an object as JSON."""
    print(json_for(sys.stdout, json.dumps(value, ensure_ascii=False, indent=1)))


def complain(message: object) -> None:
    """Print an error, or what else there is to say."""
    print(f"{_coloured('parrotlet:')} {on_one_line(str(message))}", file=sys.stderr)


@contextmanager
def warnings_told(quiet: bool) -> Iterator[None]:
    """Print what is warned of meanwhile as other messages are, or not at all."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught if not quiet else ():
                complain(warning.message)


class _Notes(logging.Handler):
    """Prints what the package logs as lines of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


@contextmanager
def printing_notes(quiet: bool) -> Iterator[None]:
    """Print what the package logs as lines of the command; `quiet` leaves out what is no error."""
    package = logging.getLogger("parrotlet")
    notes = _Notes(logging.ERROR if quiet else logging.WARNING)
    before, package.propagate = package.propagate, False
    package.addHandler(notes)
    try:
        yield
    finally:
        package.removeHandler(notes)
        package.propagate = before


def on_one_line(text: str) -> str:
    """Escape line ends and what else controls a terminal: file names may hold anything."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _coloured(text: str) -> str:
    """Return `text` in a colour of its own, on a terminal that has colours and may show them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or not sys.stderr.isatty() else f"\x1b[1;36m{text}\x1b[0m"


def path_name(text: str) -> str:
    """Parse an argument that names a file: an empty one would be the folder that one is in."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def directory(text: str) -> Path:
    """Parse an argument that names a directory."""
    return Path(path_name(text))


def thread_count(text: str) -> int:
    """Parse an option that takes a number of threads."""
    value = natural(text)
    if not 1 <= value <= MAX_THREADS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MAX_THREADS}")
    return value


def natural(text: str) -> int:
    """Parse an option that takes a number from 0."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def at_least_one(text: str) -> int:
    """Parse an option that takes a number from 1."""
    value = natural(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def positive(text: str) -> float:
    """Parse an option that takes a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def byte_count(text: str) -> int:
    """Parse an option that takes a size such as 2G."""
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def human_bytes(size: int) -> str:
    """Write a size in the unit that suits it: 512 B, 1.5 MB, 2.4 GB."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def interruptible(work: Callable[[], _T]) -> _T:
    """Run `work`, letting Ctrl-C through at once although native code does not stop for it."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name=WORKER_NAME, daemon=True)
    thread.start()
    while thread.is_alive():
        # Waiting without a limit would not be interrupted on Windows.
        thread.join(0.2)
    if failure:
        raise failure[0]
    return outcome[0]


def work_is_running() -> bool:
    """Whether something given to `interruptible` has not ended."""
    return any(thread.name == WORKER_NAME for thread in threading.enumerate())


class Bar:
    """A progress bar on standard error: on a terminal only, and only for what takes long."""

    def __init__(
        self, enabled: bool, total: float | None, label: str = "", animated: bool = True
    ) -> None:
        """`total` None draws a bar that only shows that something happens.

        Without `animated` the bar changes only when it is updated, and takes no time in between.
        """
        self._animated = animated
        self._enabled = enabled and sys.stderr.isatty()
        self._total = total
        self._label = label
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(BAR_DELAY, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Bar:
        """Start the delay."""
        if self._enabled:
            from rich.console import Console
            from rich.progress import Progress

            console = Console(stderr=True)
            self._progress = Progress(
                *_columns(self._total is not None, console.width),
                console=console,
                transient=True,
                auto_refresh=self._animated,
                # Standard output is for results, never for the bar's console.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._progress.add_task(self._label, total=self._total, note="")
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._timer.cancel()
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def update(self, done: float | None, label: str, note: str = "") -> None:
        """Set how much is done (None if unknown), what is worked on, and a note such as the speed.

        An animated bar is not drawn here, but a few times per second.
        """
        if self._progress is None or self._task is None:
            return
        # To `update`, None means no change.
        self._progress.tasks[0].total = self._total if done is not None else None
        refresh = self._shown and not self._animated
        self._progress.update(
            self._task, completed=done, description=label, note=note, refresh=refresh
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while something else is printed."""
        with self._lock:
            if self._shown and self._progress is not None:
                self._progress.stop()
            yield
            if self._shown and self._progress is not None:
                self._progress.start()

    def _show(self) -> None:
        with self._lock:
            if self._progress is not None:
                self._progress.start()
                self._shown = True


def _columns(known: bool, width: int) -> list[ProgressColumn]:
    """What a bar shows on a terminal of `width` columns; `known` is whether there is a total.

    Numbers are never cut: the name and the bar share the room that they leave.
    """
    from rich.progress import (
        BarColumn,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class Name(ProgressColumn):
        """One line, cut where there is no room, in a column that gives way."""

        def render(self, task: Task) -> Text:
            return Text(task.description, no_wrap=True, overflow="ellipsis")

    def text(format: str) -> TextColumn:
        return TextColumn(format, markup=False, table_column=Column(no_wrap=True))

    columns: list[ProgressColumn] = [SpinnerColumn(), Name(), BarColumn()]
    if known:
        columns += [text("{task.percentage:.0f} %")]
    columns += [text("{task.fields[note]}")]
    if width >= WIDE or not known:
        columns += [TimeElapsedColumn(table_column=Column(no_wrap=True))]
    if known:
        columns += [text("left"), TimeRemainingColumn(table_column=Column(no_wrap=True))]
    return columns
