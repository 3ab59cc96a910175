"""Files of the caller whose reading fails: the error is raised, once, and nothing is printed."""

from __future__ import annotations

import io

import pytest
from sound_files import FORMATS, RATE, tone_file

from parrotlet.audio import Recording
from parrotlet.errors import AudioError

SECONDS = 3.0
PARTS = (0, 0.3, 0.7)
"""How much of what is read before its end can be read, of all the bytes that a good file gives."""


class Failing(io.BytesIO):
    """A file that gives so many bytes, and raises from then on."""

    def __init__(self, data: bytes, given: int, error: BaseException) -> None:
        super().__init__(data)
        self.given = given
        self.error = error

    def read(self, count: int | None = -1) -> bytes:
        data = super().read(count)
        self.given -= len(data)
        if self.given < 0:
            raise self.error
        return data


def read_all(file: io.BytesIO) -> None:
    for _ in Recording(file).blocks(RATE):
        pass


def bytes_read(data: bytes) -> int:
    """Bytes that are read of a file in all."""
    file = Failing(data, 1 << 40, OSError())
    read_all(file)
    return (1 << 40) - file.given


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", FORMATS)
def test_an_error_is_raised_once_and_not_printed(name, part, capfd) -> None:
    data = tone_file(name, 440, SECONDS)
    file = Failing(data, round(bytes_read(data) * part), OSError("the disk is gone"))
    with pytest.raises(AudioError, match=r"cannot be read \(the disk is gone\)"):
        read_all(file)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ("wav", "flac", "m4a"))
@pytest.mark.parametrize("error", (KeyboardInterrupt, SystemExit))
def test_what_ends_a_program_ends_it(name, error, capfd) -> None:
    data = tone_file(name, 440, SECONDS)
    for part in PARTS:
        with pytest.raises(error):
            read_all(Failing(data, round(bytes_read(data) * part), error()))
    assert capfd.readouterr() == ("", "")
