"""Time stamps of packets, and which of them are not to be believed.

A damaged time stamp is one that goes somewhere else and comes back: a few seconds of packets are
looked at ahead wherever time stamps jump.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

_JUMP = 1.0  # seconds
_NEAR = 0.25  # seconds
_AHEAD_SECONDS = 12.0
_AHEAD_PACKETS = 800
_AHEAD_BYTES = 4 << 20

_SLACK = 1.0
"""Seconds after the end that a header gives at which a time stamp may still be."""


def mended(packets: Iterator[Any], tick: float, latest: float | None) -> Iterator[Any]:
    """Give packets of a track, with better time stamps for those that cannot be right.

    `tick` is the length in seconds of a unit of time stamps, `latest` the time stamp in seconds
    at which the recording ends according to its header.
    """
    jump = _JUMP / tick
    limit = None if latest is None else (latest + _SLACK) / tick
    ahead: deque[Any] = deque()
    expected = None
    while True:
        packet = ahead.popleft() if ahead else next(packets, None)
        if packet is None:
            return
        pts, duration = packet.pts, packet.duration
        if pts is not None:
            if expected is not None and not -jump <= pts - expected <= jump:
                if limit is not None and expected < limit < pts:
                    packet.pts = pts = expected
                else:
                    _look_ahead(packets, ahead, packet, tick)
                    pts = _judged(packet, ahead, expected, tick)
            expected = pts + duration if duration else None
        yield packet


def _look_ahead(packets: Iterator[Any], ahead: deque[Any], first: Any, tick: float) -> None:
    """Take packets from `packets` into `ahead` until there are enough to judge `first`."""
    seconds = sum(packet.duration or 0 for packet in ahead) * tick
    size = first.size + sum(packet.size for packet in ahead)
    while seconds < _AHEAD_SECONDS and len(ahead) < _AHEAD_PACKETS and size < _AHEAD_BYTES:
        packet = next(packets, None)
        if packet is None:
            return
        ahead.append(packet)
        seconds += (packet.duration or 0) * tick
        size += packet.size


def _judged(first: Any, ahead: deque[Any], expected: int, tick: float) -> int:
    """Return the time stamp of `first`, mended with those behind it if they come back."""
    near = _NEAR / tick
    course = expected
    stamps: list[int] = []
    for packet in (first, *ahead):
        if packet.pts is not None and stamps and abs(packet.pts - course) <= near:
            for wrong, stamp in zip((first, *ahead), stamps, strict=False):
                wrong.pts = stamp
            return expected
        if not packet.duration:
            break
        stamps.append(course)
        course += packet.duration
    return int(first.pts)
