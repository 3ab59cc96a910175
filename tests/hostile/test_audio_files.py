"""Recordings whose headers lie, and bytes of recordings that are not what they were."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from parrotlet import AudioError
from parrotlet.audio import read_audio

RATE = 16_000
SAMPLES = (0.3 * np.sin(np.arange(4000) / 5)).astype(np.float32)


def wav(data_bytes: int, riff_bytes: int | None = None) -> bytes:
    """A WAV file whose header claims `data_bytes` of samples."""
    pcm = (SAMPLES * 32767).astype("<i2").tobytes()
    riff = 36 + len(pcm) if riff_bytes is None else riff_bytes
    return (
        struct.pack(
            "<4sI4s4sIHHIIHH", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16
        )
        + struct.pack("<4sI", b"data", data_bytes)
        + pcm
    )


@pytest.mark.parametrize("size", [1 << 30, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("riff", [None, 1 << 30, 2**32 - 1])
def test_a_header_that_claims_a_gigabyte(tmp_path, run_apart, size: int, riff: int | None) -> None:
    """What is there is read, whatever is claimed, and nothing is allocated for the rest."""
    path = tmp_path / "long.wav"
    path.write_bytes(wav(size, riff))
    code = (
        "import resource, sys\n"
        "from parrotlet.audio import read_audio\n"
        "read_audio(sys.argv[1], 16000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(len(read_audio(sys.argv[2], 16000)))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    honest = tmp_path / "honest.wav"
    honest.write_bytes(wav(2 * len(SAMPLES)))
    count, grown = map(int, run_apart(code, honest, path).split())
    assert count == len(SAMPLES)
    assert grown < 50 << 10  # KiB


@pytest.mark.parametrize("channels", [0, 255, 1025, 65535])
def test_channels_that_nobody_records(tmp_path, channels: int) -> None:
    data = bytearray(wav(2 * len(SAMPLES)))
    struct.pack_into("<HIIH", data, 22, channels, RATE, 2 * RATE * channels % 2**32, 2)
    path = tmp_path / "many.wav"
    path.write_bytes(data)
    try:
        assert np.isfinite(read_audio(path, RATE)).all()
    except AudioError as error:
        assert "many.wav" in str(error)


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)],
)
def test_any_overwritten_byte_is_read_or_refused(format: str, subtype: str | None) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES[:400], RATE, format=format, subtype=subtype)
    data = buffer.getvalue()
    for position in range(0, len(data), max(1, len(data) // 300)):
        for value in (0x00, 0x7F, 0xFF):
            changed = data[:position] + bytes([value]) + data[position + 1 :]
            try:
                assert np.isfinite(read_audio(io.BytesIO(changed), RATE)).all()
            except AudioError as error:
                assert "audio stream" in str(error)


def test_a_recording_that_is_no_file(tmp_path: Path) -> None:
    for size in range(0, 44):
        path = tmp_path / "cut.wav"
        path.write_bytes(wav(8000)[:size])
        with pytest.raises(AudioError, match=r"cut\.wav"):
            read_audio(path, RATE)
