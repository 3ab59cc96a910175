"""Several live recordings at once, each with its name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from parrotlet.cli.console import EXIT_INTERRUPTED, complain
from parrotlet.cli.live import Display, JsonLines, PlainText, can_redraw, last_cells
from parrotlet.errors import AudioError
from parrotlet.results import Transcription
from parrotlet.samples import Samples
from parrotlet.streaming import Partial
from parrotlet.streams import StreamGroup

Input = tuple[str, Iterable[Samples]]
"""A recording's name and its samples as they arrive."""


def follow_all(group: StreamGroup, inputs: Sequence[Input], format: str) -> int:
    """Show what is recognised in all inputs until they end; returns the exit status.

    One that fails is reported, and the others go on. After Ctrl-C all end with what was said until
    then.
    """
    names = _short_names([name for name, _ in inputs])
    lock, rows = threading.Lock(), None
    if format == "json":
        displays: Sequence[Display] = [JsonLines(_Whole(sys.stdout, lock), n) for n, _ in inputs]
    elif can_redraw(sys.stdout):
        rows = _Rows(names)
        displays = [_Row(rows, i) for i in range(len(names))]
    else:
        displays = [PlainText(_Named(sys.stdout, name, lock)) for name in names]
    followers = [
        _Follower(group, name, source, display)
        for (name, source), display in zip(inputs, displays, strict=True)
    ]
    if rows is None:
        return _run(followers)
    with rows:
        return _run(followers)


def _run(followers: Sequence[_Follower]) -> int:
    status = 0
    for follower in followers:
        follower.start()
    try:
        while not all(follower.ended.is_set() for follower in followers):
            for follower in followers:
                follower.ended.wait(0.1)
                if follower.fatal is not None:
                    raise follower.fatal
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    finally:
        for follower in followers:
            follower.stop()
    for follower in followers:
        follower.ended.wait()
        if follower.fatal is not None:
            raise follower.fatal
        if follower.failure is not None:
            complain(str(follower.failure))
            status = status or 1
    return status


class _Follower(threading.Thread):
    """Feeds one stream."""

    def __init__(
        self, group: StreamGroup, name: str, source: Iterable[Samples], display: Display
    ) -> None:
        super().__init__(daemon=True)
        self._stream = group.open()
        self._name = name
        self._source = source
        self._display = display
        self._stopped = threading.Event()
        self.ended = threading.Event()
        """Waited for in place of join(), which takes a thread for ended when it is interrupted."""
        self.failure: AudioError | None = None
        """Why the recording ended early."""
        self.fatal: BaseException | None = None
        """What nobody could go on after, such as a reader that has left."""

    def stop(self) -> None:
        """Take no more samples."""
        self._stopped.set()

    def run(self) -> None:
        try:
            try:
                for block in self._source:
                    if self._stopped.is_set():
                        break
                    self._display.show(self._stream.feed(block))
            except AudioError as error:
                self.failure = error
            result = replace(self._stream.finish(), audio=self._name)
            self._display.show(self._stream.partial)
            self._display.close(None if self.failure else result)
        except BaseException as error:
            self.fatal = error
        finally:
            self.ended.set()


def _short_names(names: Sequence[str]) -> list[str]:
    """Return the names of the files without their directories, unless two are the same then."""
    short = [Path(name).name for name in names]
    return short if len(set(short)) == len(short) else list(names)


class _Whole:
    """Writes of several threads, one at a time."""

    def __init__(self, out: TextIO, lock: threading.Lock) -> None:
        self._out = out
        self._lock = lock
        self.encoding = out.encoding

    def write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)

    def flush(self) -> None:
        with self._lock:
            self._out.flush()


class _Named(_Whole):
    """Lines with the name of their recording before them; a line is written when it is whole."""

    def __init__(self, out: TextIO, name: str, lock: threading.Lock) -> None:
        super().__init__(out, lock)
        self._prefix = f"{name}: "
        self._begun = ""

    def write(self, text: str) -> None:
        *lines, self._begun = (self._begun + text).split("\n")
        super().write("".join(f"{self._prefix}{line}".rstrip() + "\n" for line in lines))


class _Rows:
    """A row of a terminal for each recording, and in the end the whole text of each."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._texts = [Text() for _ in names]
        self._results: list[Transcription | None] = [None for _ in names]
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for name, result in zip(self._names, self._results, strict=True):
            if result is not None:
                self._console.print(Text.assemble((name, "bold"), ": ", result.text))

    def show(self, index: int, partial: Partial) -> None:
        with self._lock:
            room = max(8, self._console.width - max(map(cell_len, self._names)) - 2)
            text = last_cells(partial.final + partial.unfinished, room)
            certain = max(0, len(text) - len(partial.unfinished))
            self._texts[index] = Text.assemble(text[:certain], (text[certain:], "dim"))
            table = Table.grid(padding=(0, 1), expand=True)
            table.add_column(no_wrap=True, style="bold")
            table.add_column(no_wrap=True, ratio=1)
            for name, row in zip(self._names, self._texts, strict=True):
                table.add_row(Text(name), row)
            self._live.update(table, refresh=True)

    def close(self, index: int, result: Transcription | None) -> None:
        with self._lock:
            self._results[index] = result


class _Row:
    """The display of one recording."""

    def __init__(self, rows: _Rows, index: int) -> None:
        self._rows = rows
        self._index = index

    def show(self, partial: Partial) -> None:
        self._rows.show(self._index, partial)

    def close(self, result: Transcription | None) -> None:
        self._rows.close(self._index, result)
