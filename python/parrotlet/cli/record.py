"""What made each file of an output directory, so that `--resume` knows which to make again.

    DIR/.parrotlet.jsonl    {"output": "late/b.srt", "model": "3f...", "head": "ctc", ...}

A line is added when an output is there, and the last line about an output counts. An output that is
made again in the same way adds no line, so that the file grows only with what it tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parrotlet.errors import ParrotletError

NAME = ".parrotlet.jsonl"
"""Name of the record in the output directory."""

Origin = Mapping[str, object]
"""What an output depends on, as JSON holds it."""


class Record:
    """The record of one output directory."""

    def __init__(self, directory: Path) -> None:
        """Read what there is; raises ParrotletError if it cannot be read."""
        self._directory = directory
        self._path = directory / NAME
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise ParrotletError(f"{self._path}: cannot be read ({error.strerror})") from error
        self._origins = {
            str(line.pop("output", "")): line for line in map(_parsed, data.splitlines()) if line
        }
        # A process that was killed may have left half a line.
        self._torn = bool(data) and not data.endswith(b"\n")

    def differences(self, output: Path, origin: Origin) -> list[str] | None:
        """Return how the origin of an output differs from `origin`; nothing if it is current.

        None if nothing is known of the output, or it is not there.
        """
        known = self._origins.get(self._key(output))
        if not known or not output.is_file():
            return None
        return sorted(k for k in {*known, *origin} if known.get(k) != origin.get(k))

    def withdraw(self, output: Path, origin: Origin | None) -> None:
        """Forget what made an output that is about to be made from `origin` (None: unknown).

        After an interruption nobody could tell whether the file is the old one or the new one.
        """
        known = self._origins.get(self._key(output))
        if known and known != origin:
            self._add(output, {})

    def note(self, output: Path, origin: Origin) -> None:
        """Note what made an output that is there."""
        if self._origins.get(self._key(output)) != origin:
            self._add(output, origin)

    def _add(self, output: Path, origin: Origin) -> None:
        key = self._key(output)
        line = json.dumps({"output": key, **origin}).encode() + b"\n"
        line = b"\n" + line if self._torn else line
        try:
            # In one piece at the end: other processes may write about other outputs.
            with self._path.open("ab", buffering=0) as file:
                self._torn = file.write(line) < len(line)  # on a full disk
        except OSError as error:
            raise ParrotletError(f"{self._path}: cannot be written ({error.strerror})") from error
        self._origins[key] = dict(origin)

    def _key(self, output: Path) -> str:
        return output.relative_to(self._directory).as_posix()


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line as it was written; nothing for one that is damaged."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
