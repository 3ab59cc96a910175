"""The files of `parrotlet transcribe --output-dir`: writing them, and telling which are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from parrotlet.cli.console import complain
from parrotlet.cli.inputs import Input
from parrotlet.cli.record import Origin, Record
from parrotlet.errors import ParrotletError
from parrotlet.output import (
    EXTENSIONS,
    check_writable,
    output_bases,
    render,
    with_extension,
    write_text,
)
from parrotlet.results import Transcription


class Outputs:
    """A file in `directory` for each recording and format."""

    def __init__(
        self,
        directory: Path,
        formats: Sequence[str],
        inputs: Sequence[Input],
        choices: Mapping[str, object],
    ) -> None:
        """Make the directory, and look at the recordings before they are read.

        `choices` are what outputs depend on besides the recording. Raises ParrotletError if there
        can be no such directory.
        """
        _make_directory(directory)
        self._formats = formats
        self._choices = choices
        self._record = Record(directory)
        # One that changes while it is read is done again next time.
        self._recordings = {item.name: _recording_origin(item) for item in inputs}
        extensions = [EXTENSIONS[format] for format in formats]
        names, folders = [item.name for item in inputs], [item.folder for item in inputs]
        self.bases = output_bases(names, directory, extensions, folders)
        """Names of the files of each input, up to their extensions."""

    def obstacle(self, base: Path) -> ParrotletError | None:
        """Return why the files of an input cannot be written, as far as that can be seen before."""
        try:
            for path, _ in self._paths(base):
                check_writable(path)
        except ParrotletError as error:
            return error
        return None

    def is_done(self, item: Input, base: Path, explain: bool = False) -> bool:
        """Whether all files of an input are there, made as they would be now.

        With `explain`, the reason to make one again is written on standard error.
        """
        if item.error is not None:
            return False
        for path, format in self._paths(base):
            origin = self._origin(item, format)
            found = None if origin is None else self._record.differences(path, origin)
            if found and explain:
                complain(
                    f"{path}: is made again, as it was made with another {' and '.join(found)}"
                )
            if found is None or found:
                return False
        return True

    def write(self, result: Transcription, item: Input, base: Path) -> Iterator[Path]:
        """Write the files of an input, and give the name of each."""
        _make_directory(base.parent)
        for path, format in self._paths(base):
            origin = self._origin(item, format)
            self._record.withdraw(path, origin)
            try:
                write_text(path, render(result, format))
            except OSError as error:
                raise ParrotletError(f"{path}: cannot be written ({error.strerror})") from error
            if origin is not None:
                self._record.note(path, origin)
            yield path

    def _paths(self, base: Path) -> list[tuple[Path, str]]:
        return [(with_extension(base, EXTENSIONS[format]), format) for format in self._formats]

    def _origin(self, item: Input, format: str) -> Origin | None:
        """What a file is made from, and how; None where that cannot be told, as for a pipe."""
        recording = self._recordings[item.name]
        if recording is None:
            return None
        name = {"name": item.name} if format == "json" else {}  # which that format shows
        return {**self._choices, **recording, **name}


def _recording_origin(item: Input) -> Origin | None:
    """Return what tells whether a recording is the same: size, and time of its last change."""
    path = Path(item.name)
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None
    if not path.is_file():
        return None
    return {"size": found.st_size, "time": found.st_mtime_ns}


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParrotletError(f"{path}: cannot be made a directory ({error.strerror})") from error
