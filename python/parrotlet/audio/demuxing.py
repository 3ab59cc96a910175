"""Opening a piece with FFmpeg, and getting packets and frames out of it in spite of damage.

PyAV loads all of FFmpeg. It is imported with the first recording, so that `import parrotlet` and
the command line's help do not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parrotlet.audio.sample_files import may_hold_dts, wave_format
from parrotlet.audio.window import Window
from parrotlet.errors import AudioError

TIME_BASE = 1_000_000
"""Units of a second in which a container says its start and its length (`AV_TIME_BASE`)."""

MAX_ERRORS = 64
"""Errors of a demuxer in a row after which it is not asked again."""

_INDEXED = "mov"
"""Formats that are read packet by packet as an index says, and not from start to end."""

_BUFFER_BYTES = 1 << 16

_OPTIONS = {
    # Playlists and the like must not make FFmpeg open other files.
    "protocol_whitelist": "none",
}

_BARE_OPTIONS = {**_OPTIONS, "max_probe_packets": "1", "probesize": "2048"}
"""For WAV files, and samples that are what their header says.

FFmpeg looks at packets of every 16-bit WAV file for DTS, which takes fifteen times as long as
opening it. Asking all demuxers whose file it is takes a fifth of that, and looking at more of it
another fifth.
"""


def errors() -> tuple[type[Exception], ...]:
    """Return what PyAV raises for damaged files."""
    from av.error import FFmpegError

    return FFmpegError, ValueError, OSError


def open_container(window: Window) -> Any:
    """Open a piece; raises one of `errors` for one that FFmpeg does not know."""
    import av

    window.seek(0)
    open_any: Any = av.open  # its arguments differ between releases
    # Titles are shown only, and may be in any encoding. From PyAV 19 on that is so unless told.
    told = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        container = open_any(
            window,
            mode="r",
            buffer_size=_BUFFER_BYTES,
            **_how(window),
            **told,
        )
    finally:
        window.check()
    window.format = container.format.name
    return container


def _how(window: Window) -> dict[str, Any]:
    """Return the format of a piece, as far as it is known, and options for its demuxer."""
    found = wave_format(window.piece.prefix)
    if found is not None and not may_hold_dts(found):
        return {"format": "wav", "container_options": _BARE_OPTIONS}
    return {"container_options": _OPTIONS}


def packets(container: Any, window: Window, wanted: set[int]) -> Iterator[Any]:
    """Give the packets of the streams whose indices are `wanted`.

    How far those of the others reach is noted in `window`. Where the demuxer stumbles, it is asked
    to go on.
    """
    streams = tuple(container.streams)
    if container.format.name.startswith(_INDEXED):
        streams = tuple(container.streams[index] for index in wanted)
        for stream in container.streams:
            if stream.index not in wanted:
                _discard(stream)
    stumbles = 0
    while stumbles < MAX_ERRORS:
        try:
            for packet in container.demux(streams):
                window.check()
                size = packet.size
                if not size:
                    continue
                stumbles = 0
                if packet.stream_index in wanted:
                    yield packet
                else:
                    window.reach(packet.pos, size)
            window.check()
            return
        except AudioError:
            raise
        except IndexError:
            pass  # PyAV (18) looks for a stream that began after the file was opened
        except errors():
            window.check()
            stumbles += 1


def _discard(stream: Any) -> None:
    """Let the demuxer leave a stream out, where PyAV (17) can say so."""
    if hasattr(stream, "discard"):
        stream.discard = type(stream.discard).all


def decoded(packet: Any) -> list[Any] | None:
    """Return the frames of a packet; None if it is damaged."""
    try:
        frames: list[Any] = packet.decode()
        return frames
    except AudioError:
        raise
    except EOFError:
        return []
    except errors():
        return None


def remaining(stream: Any) -> list[Any]:
    """Return the frames that a decoder still holds at the end."""
    try:
        return list(stream.codec_context.decode(None))
    except errors():
        return []
