"""Where the files of a tokenizer are: in an archive, or in a directory of their own."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from ..errors import CheckpointError
from .archive import MAX_SMALL_MEMBER, open_file

_MAX_FILES = 10_000

_HASH = re.compile(r"^[0-9a-f]{32}_")  # before the names of members of an archive


class TokenizerFiles(Protocol):
    """Files by name; those of a directory below are "directory/name"."""

    @property
    def names(self) -> Collection[str]:
        """What there is."""

    def small_file(self, name: str) -> bytes:
        """The bytes of a file; CheckpointError if it is missing or too large to be what it says."""


class TokenizerFolder:
    """The files in a directory, or one file alone."""

    def __init__(self, path: Path, missing: str, *, below: bool = False) -> None:
        """`missing` follows the name of a file in the message of one that is not there; `below`
        takes files in directories of the directory, too.

        Raises CheckpointError if there is no such directory or file.
        """
        self._missing = missing
        if path.is_file():  # whatever it is called
            self._files = dict.fromkeys(("tokenizer.model", "vocab.txt"), path)
            return
        try:
            found = list(
                islice(chain(path.iterdir(), path.glob("*/*") if below else ()), _MAX_FILES)
            )
        except OSError as error:
            raise CheckpointError(
                f"the tokenizer {path} cannot be read ({error.strerror or error}); give the "
                "directory or the file of it"
            ) from error
        self._files = {f.relative_to(path).as_posix(): f for f in found if f.is_file()}

    @property
    def names(self) -> Collection[str]:
        """Paths from the directory on."""
        return self._files.keys()

    def small_file(self, name: str) -> bytes:
        """The bytes of a file."""
        if name not in self._files:
            raise CheckpointError(f"no {_HASH.sub('', name)} {self._missing}")
        with open_file(self._files[name]) as file:
            data = file.read(MAX_SMALL_MEMBER + 1)
        if len(data) > MAX_SMALL_MEMBER:
            raise CheckpointError(f"{name} is larger than any tokenizer")
        return data
