"""What streams of a group take is free once they are finished, closed or refused."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
def test_streams_of_several_threads_leave_nothing() -> None:
    """Whose memory would lie between what others hold, if it came from the C library."""
    program = f"""
import sys, threading, random
from pathlib import Path
import numpy as np
import parrotlet

def resident():
    return int(Path({str(STATUS)!r}).read_text().split()[1]) * {PAGE}

def use(place, count):
    held, choose = [], random.Random(place)
    for _ in range(count):
        held.append((group.open(13), bytearray(choose.randrange(1 << 14))))
        held[-1][0].feed(samples)
        if len(held) > 2:
            held.pop(choose.randrange(3))

def round(count):
    threads = [threading.Thread(target=use, args=(place, count)) for place in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

samples = np.zeros(1600, np.float32)
group = parrotlet.load("demo", threads=1).streams(max_streams=80)
round(10)
before = resident()
round(150)
print(resident() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert int(done.stdout) < 4 * MOST_GROWTH
