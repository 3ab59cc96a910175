"""The recordings that a command line names: files, folders, patterns and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from parrotlet.errors import AudioError

_EXTENSIONS = """
wav wave w64 rf64 flac ogg oga opus mp3 mp2 aif aiff aifc au snd caf m4a m4b aac ac3 eac3 wma amr
ape wv tta mka mp4 m4v mov mkv webm avi wmv flv mpg mpeg ts mts m2ts 3gp ogv vob
"""

RECORDINGS = frozenset(f".{extension}" for extension in _EXTENSIONS.split())
"""Extensions of the files that are taken from a folder, in lower case."""

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """A recording; `folder` is where its outputs go, below the output directory.

    `error` says why there is none.
    """

    name: str
    folder: Path = Path()
    error: AudioError | None = None

    @property
    def source(self) -> str | BinaryIO:
        """What to read: a path, or standard input."""
        return sys.stdin.buffer if self.name == STANDARD_INPUT else self.name


def find_inputs(arguments: Sequence[str]) -> list[Input]:
    """Return the recordings that arguments name, in their order.

    A folder stands for the recordings in it and below, in the order of their names, and the folders
    below it are those of the outputs. A pattern that is no file's name stands for what it matches,
    `**` for any folders.
    """
    return [found for argument in arguments for found in _expand(argument)]


def _expand(argument: str) -> Iterator[Input]:
    if argument == STANDARD_INPUT:
        # Nobody would type a recording.
        hint = f"{argument}: standard input is a terminal; pipe a recording into it"
        yield Input(argument, error=AudioError(hint) if sys.stdin.isatty() else None)
    elif not argument:
        # Else it would be the folder that one is in: `transcribe "$UNSET"`.
        yield Input(argument, error=AudioError("'': the name of a recording is empty"))
    elif Path(argument).is_dir():
        yield from _in_folder(argument)
    elif glob.has_magic(argument) and not Path(argument).exists():
        yield from _matching(argument)
    else:
        yield Input(argument)


def _matching(pattern: str) -> Iterator[Input]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (names stay as they are given)
    if not matches:
        yield Input(pattern, error=AudioError(f"{pattern}: no file matches"))
    # `**` gives folders as well as what is in them.
    files = [match for match in matches if not Path(match).is_dir()]
    if files:
        yield from map(Input, files)
    else:
        for folder in matches:
            yield from _in_folder(folder)


def _in_folder(folder: str) -> Iterator[Input]:
    found = False
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in RECORDINGS:
                found = True
                yield Input(str(Path(place, name)), Path(os.path.relpath(place, folder)))
    if not found:
        yield Input(folder, error=AudioError(f"{folder}: there are no recordings in this folder"))
