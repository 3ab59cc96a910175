"""What a file is by its first bytes, where something else was expected.

A signature here has five bytes or more: samples, which may begin with any, have one by chance once
in 10^12 times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

HEAD_BYTES = 512
"""What is enough for every signature; 64 bytes are for most."""


class Kind(Enum):
    """What a file is for."""

    RECORDING = "recording"
    ARCHIVE = "archive"
    PAGE = "page"
    LFS = "pointer"
    MODEL = "model"


RECORDING, ARCHIVE, PAGE, LFS, MODEL = Kind

_SIGNATURES = (
    ("WAV", RECORDING, rb"(?:RIF[FX]|RF64|BW64)....WAVE|riff\x2e\x91\xcf\x11"),
    ("AVI", RECORDING, rb"RIFF....AVI "),
    ("FLAC", RECORDING, rb"fLaC[\x00\x80]\x00\x00"),
    ("OGG", RECORDING, rb"OggS\x00[\x01-\x07]"),
    (
        "MP3 with a tag",
        RECORDING,
        rb"ID3[\x02-\x04][\x00-\x0f][\x00\x10\x20\x40\x80][\x00-\x7f]{4}",
    ),
    (
        "MP4 or M4A",
        RECORDING,
        rb"\x00[\x00-\x0f]..ftyp[ -~]{4}|\x00...(?:moov|moof|styp|sidx|wide|mdat)",
    ),
    ("Matroska or WebM", RECORDING, rb"\x1a\x45\xdf\xa3[\x01-\xff]{1,8}\x42[\x82\x86\xf2\xf3\xf7]"),
    ("Matroska or WebM", RECORDING, rb"\x1a\x45\xdf\xa3.{0,52}(?:matroska|webm)"),
    ("AMR", RECORDING, rb"#!AMR(?:-WB)?(?:_MC1\.0)?\n"),
    ("AIFF", RECORDING, rb"FORM....AIF[FC]"),
    ("CAF", RECORDING, rb"caff\x00\x01\x00\x00"),
    (
        "AU",
        RECORDING,
        rb"\.snd\x00\x00..\xff{4}\x00\x00\x00|\.snd\x00\x00......\x00\x00\x00[\x01-\x1b]",
    ),
    ("ASF or WMA", RECORDING, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("FLV", RECORDING, rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09"),
    ("MPEG-PS", RECORDING, rb"\x00\x00\x01\xba[\x21-\x2f\x44-\x7f].{3}"),
    ("MXF", RECORDING, rb"\x06\x0e\x2b\x34\x02\x05\x01\x01"),
    ("WavPack", RECORDING, rb"wvpk....[\x02-\x10]\x04"),
    ("Monkey's Audio", RECORDING, rb"MAC [\x00-\xff]\x0f\x00\x00"),
    ("True Audio", RECORDING, rb"TTA[12][\x01\x02\x03]\x00"),
    ("Musepack", RECORDING, rb"MPCKSH"),
    ("DSD", RECORDING, rb"DSD \x1c\x00\x00\x00|FRM8....DSD "),
    ("RealMedia", RECORDING, rb"\.RMF\x00\x00\x00|\.ra\xfd\x00[\x03\x04\x05]"),
    ("NIST SPHERE", RECORDING, rb"NIST_1A\n"),
    ("VOC", RECORDING, rb"Creative Voice File\x1a"),
    ("DTS", RECORDING, rb"\x7f\xfe\x80\x01[\x7c-\xff]"),
    ("gzip", ARCHIVE, rb"\x1f\x8b\x08[\x00-\x1f]....[\x00\x02\x04][\x00-\x0d\xff]"),
    ("zip", ARCHIVE, rb"PK(?:\x03\x04|\x05\x06)[\x00-\x3f]\x00"),
    ("bzip2", ARCHIVE, rb"BZh[1-9](?:1AY&SY|\x17\x72\x45)"),
    ("xz", ARCHIVE, rb"\xfd7zXZ\x00"),
    ("Zstandard", ARCHIVE, rb"\x28\xb5\x2f\xfd[\x00-\xe7][\x00-\xff]"),
    ("7z", ARCHIVE, rb"7z\xbc\xaf\x27\x1c"),
    ("RAR", ARCHIVE, rb"Rar!\x1a\x07[\x00\x01]"),
    ("tar", ARCHIVE, rb"(?s:.{257})ustar[\x00 ]"),
    ("a web page", PAGE, rb"\s{0,16}<(?i:!doctype\s+html|html[\s>]|\?xml\s)"),
    ("JSON", PAGE, rb"\{\s{0,8}\"[\w -]{1,24}\"\s?:"),
    ("a Git LFS pointer", LFS, rb"version https://git-lfs"),
    ("PDF", PAGE, rb"%PDF-1|%PDF-2"),
    ("a GGUF file", MODEL, rb"GGUF[\x02\x03]\x00\x00\x00"),
)
"""Name, kind and pattern."""

_PATTERNS = [(name, kind, re.compile(rule, re.DOTALL)) for name, kind, rule in _SIGNATURES]


def signature(start: bytes) -> tuple[str, Kind] | None:
    """Return the name and the kind of a file that begins with `start`; None if it is not known."""
    for name, kind, pattern in _PATTERNS:
        if pattern.match(start):
            return name, kind
    return None


def instead_of(start: bytes, wanted: str, remedies: Mapping[Kind, str]) -> str | None:
    """Say what a file is that begins with `start`, and what to do to have what is `wanted`.

    None where it is not known, or of a kind without a remedy.
    """
    found = signature(start)
    if found is None or found[1] not in remedies:
        return None
    return f"is {found[0]}, not {wanted}; {remedies[found[1]]}"
