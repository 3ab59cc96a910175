"""What streams of a group take is free once they are finished, closed or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import CapacityError, Model, StreamGroup, _core

STATUS = Path("/proc/self/statm")
PAGE = 4096
MOST_GROWTH = 1 << 20
"""Bytes; one stream of the model takes more."""


def test_a_refused_stream_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group asks whether a stream may be open before it allocates what the stream holds."""
    model = parrotlet.load("demo", threads=1)
    with model.streams(max_streams=1) as group:
        first = group.open()
        with monkeypatch.context() as patch:
            patch.setattr(_core, "Stream", lambda *_: pytest.fail("a stream was allocated"))
            with pytest.raises(CapacityError, match="max_streams"):
                group.open()
        first.close()
        with monkeypatch.context() as patch:
            patch.setattr(_core, "Stream", _out_of_memory)
            with pytest.raises(MemoryError):
                group.open()
        assert group.stats().streams == 0
        group.open().close()


def _out_of_memory(*_: object) -> None:
    raise MemoryError


def resident() -> int:
    return int(STATUS.read_text().split()[1]) * PAGE


def use(group: StreamGroup, count: int, samples: np.ndarray) -> None:
    """Open and feed streams; finish, close or abandon them."""
    for i in range(count):
        stream = group.open()
        stream.feed(samples)
        if i % 3 == 0:
            stream.finish()
        elif i % 3 == 1:
            stream.close()


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
def test_a_thousand_streams_leave_nothing() -> None:
    model: Model = parrotlet.load("demo", threads=1)
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    with model.streams(max_streams=4) as group:
        use(group, 200, samples)
        before = resident()
        use(group, 1000, samples)
        assert group.stats().streams == 0
        assert resident() - before < MOST_GROWTH
