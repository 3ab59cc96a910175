"""Showing what a stream recognises while it is running."""

from __future__ import annotations

import json
import os
from typing import Protocol, TextIO

from rich.cells import cell_len

from parrotlet.cli.console import Out, json_for
from parrotlet.results import Transcription
from parrotlet.streaming import Partial
from parrotlet.writing import last_break


class Display(Protocol):
    """Takes every state of a stream in turn."""

    def show(self, partial: Partial) -> None:
        """Show what is new."""

    def close(self, result: Transcription | None) -> None:
        """End the output; `result`, None if the source failed, has been shown bit by bit."""


def can_redraw(out: TextIO) -> bool:
    """Return whether `out` is a terminal that can go back in a line."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


class PlainText:
    """Text as it becomes final, on lines of an utterance or a sentence each."""

    def __init__(self, out: Out) -> None:
        """Write to `out`, a file or a pipe."""
        self._out = out
        self._at_line_start = True
        self._empty = True

    def show(self, partial: Partial) -> None:
        """Write what has become final; whoever reads a pipe gets it at once."""
        text = "\n".join(partial.new_lines)
        if text:
            self._out.write(text)
            self._out.flush()
            self._at_line_start = text.endswith("\n")
            self._empty = False

    def close(self, result: Transcription | None) -> None:
        """End the last line. Silence is an empty line."""
        if not self._at_line_start or (self._empty and result is not None):
            self._out.write("\n")
            self._out.flush()


class JsonLines:
    """One JSON object on a line for each change, and the whole result at the end."""

    def __init__(self, out: Out, audio: str | None = None) -> None:
        """Write to `out`; `audio` is the recording's name, if there are several."""
        self._out = out
        self._name = {} if audio is None else {"audio": audio}
        self._unfinished = ""

    def show(self, partial: Partial) -> None:
        """Write new final words and the unfinished text, then the ends of utterances."""
        if partial.new_words or partial.unfinished != self._unfinished:
            self._unfinished = partial.unfinished
            self._write(
                type="partial",
                time=partial.time,
                words=[word.to_dict() for word in partial.new_words],
                unfinished=partial.unfinished.strip(),
                **({} if partial.language is None else {"language": partial.language}),
            )
        for event in partial.events:
            self._write(type="end", kind=event.kind, time=event.time)

    def close(self, result: Transcription | None) -> None:
        """Write the result."""
        if result is not None:
            self._write(type="result", **result.to_dict())

    def _write(self, **fields: object) -> None:
        text = json.dumps({**fields, **self._name}, ensure_ascii=False)
        self._out.write(json_for(self._out, text) + "\n")
        self._out.flush()


class LiveText:
    """The text on a terminal. Its last row is redrawn in place until it is full and final.

    Only a carriage return is used, so that any terminal will do.
    """

    def __init__(self, out: TextIO) -> None:
        """Write to `out`, a terminal."""
        self._out = out
        self._row = ""
        self._drawn = ""

    def show(self, partial: Partial) -> None:
        """Add what has become final, and draw what is unfinished after it.

        That may be another text each time, so it never ends a row: if it is too long for the rest
        of the row, its end is shown. A row of which the next word has no room is full.
        """
        for i, text in enumerate(partial.new_lines):
            if i:
                self._end_row()
            self._add(text)
        width, text = self._width(), self._row + partial.unfinished
        if self._row and cell_len(text) > width and len(_first_row(text, width)) <= len(self._row):
            self._end_row()
            text = partial.unfinished
        self._draw(last_cells(text if self._row else text.lstrip(), width))
        self._out.flush()

    def close(self, result: Transcription | None) -> None:
        """Leave the cursor on a row of its own."""
        if self._row:
            if cell_len(self._row) + 2 <= self._width():
                # The terminal may have written ^C there.
                self._drawn = self._row + "^C"
            self._end_row()
        self._out.flush()

    def _add(self, text: str) -> None:
        self._row += text if self._row else text.lstrip()
        while cell_len(self._row) > self._width():
            rest = self._row
            self._row = _first_row(rest, self._width())
            rest = rest[len(self._row) :].lstrip()
            self._end_row()
            self._row = rest

    def _end_row(self) -> None:
        self._draw(self._row)
        self._out.write("\n")
        self._row = self._drawn = ""

    def _draw(self, text: str) -> None:
        if text != self._drawn:
            # Spaces cover what was longer.
            missing = max(0, cell_len(self._drawn) - cell_len(text))
            self._out.write("\r" + text + " " * missing)
            self._drawn = text

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._out.fileno()).columns
        except OSError:
            columns = 0
        # Writing to the last column would make some terminals begin a row.
        return (columns or 80) - 1 if columns != 1 else 1


def _first_row(text: str, width: int) -> str:
    """Return what fits on a row of `width` cells: whole words, or as much of a longer one."""
    fitting = _first_cells(text, width)
    return fitting[: last_break(text, len(fitting)) or len(fitting)]


def _first_cells(text: str, width: int) -> str:
    """Return the characters at the start that take no more than `width` cells, at least one."""
    end = 1
    while end < len(text) and cell_len(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def last_cells(text: str, width: int) -> str:
    """Return `text`, without its beginning if it would take more than `width` cells."""
    while (excess := cell_len(text) - width) > 0:
        text = text[max(1, excess // 2) :]  # no character has more than two cells
    return text
