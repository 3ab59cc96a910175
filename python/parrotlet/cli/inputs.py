"""The recordings that a command line names: files, folders, patterns and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from parrotlet.cli.folders import LeftOut, recordings_in
from parrotlet.errors import AudioError, ParrotletError

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """A recording; `folder` is where its outputs go, below the output directory.

    `error` says why there is no recording, or why its outputs cannot be written.
    """

    name: str
    folder: Path = Path()
    error: ParrotletError | None = None

    @property
    def source(self) -> str | BinaryIO:
        """What to read: a path, or standard input."""
        return sys.stdin.buffer if self.name == STANDARD_INPUT else self.name


def find_inputs(arguments: Sequence[str], left_out: LeftOut) -> list[Input]:
    """Return the recordings that arguments name, in their order.

    A folder stands for the recordings in it and below, in the order of their names. Outputs get the
    same folders below theirs. Other files in it are counted in `left_out`. An argument that names
    no file is a pattern and stands for the files that match; `**` matches any folders.
    """
    return [found for argument in arguments for found in _expand(argument, left_out)]


def _expand(argument: str, left_out: LeftOut) -> Iterator[Input]:
    if argument == STANDARD_INPUT:
        # Nobody would type a recording.
        hint = f"{argument}: standard input is a terminal; pipe a recording into it"
        yield Input(argument, error=AudioError(hint) if sys.stdin.isatty() else None)
    elif not argument:
        # Else it would be the folder that one is in: `transcribe "$UNSET"`.
        yield Input(argument, error=AudioError("'': the name of a recording is empty"))
    elif Path(argument).is_dir():
        yield from _in_folder(argument, left_out)
    elif glob.has_magic(argument) and not Path(argument).exists():
        yield from _matching(argument, left_out)
    else:
        yield Input(argument)


def _matching(pattern: str, left_out: LeftOut) -> Iterator[Input]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (names stay as they are given)
    if not matches:
        yield Input(pattern, error=AudioError(f"{pattern}: no file matches"))
    # `**` gives folders as well as what is in them.
    files = [match for match in matches if not Path(match).is_dir()]
    if files:
        yield from map(Input, files)
    else:
        for folder in matches:
            yield from _in_folder(folder, left_out)


def _in_folder(folder: str, left_out: LeftOut) -> Iterator[Input]:
    found = False
    for path in recordings_in(folder, left_out):
        found = True
        yield Input(str(path), Path(os.path.relpath(path.parent, folder)))
    if not found:
        yield Input(folder, error=AudioError(f"{folder}: there are no recordings in this folder"))
