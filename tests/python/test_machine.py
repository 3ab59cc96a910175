"""The default number of threads, and sizes of memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parrotlet import machine
from parrotlet.machine import parse_bytes

MB = 1_000_000


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretend a machine: CPUs by their siblings, and the quota file's text."""

    def pretend(siblings: dict[int, str], quota: str | None) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(siblings), raising=False)
        monkeypatch.setattr(machine, "_siblings", siblings.__getitem__)
        file = tmp_path / "cpu.max"
        if quota is not None:
            file.write_text(quota)
        real = Path
        monkeypatch.setattr(
            machine, "Path", lambda p: file if str(p).endswith("cpu.max") else real(p)
        )

    return pretend


@pytest.mark.parametrize(
    ("siblings", "quota", "expected"),
    [
        ({0: "0", 1: "1"}, None, 2),
        ({0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}, None, 2),
        ({4: "0,4"}, None, 1),
        ({i: str(i) for i in range(8)}, "max 100000\n", 8),
        ({i: str(i) for i in range(8)}, "200000 100000\n", 2),
        ({i: str(i) for i in range(8)}, "50000 100000\n", 1),
        ({i: str(i) for i in range(8)}, "150000 100000\n", 2),
        ({i: str(i) for i in range(8)}, "nonsense", 8),
    ],
)
def test_usable_cores(
    pretended, siblings: dict[int, str], quota: str | None, expected: int
) -> None:
    pretended(siblings, quota)
    assert machine.usable_cores() == expected


def test_on_this_machine() -> None:
    assert 1 <= machine.usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000000000", 10**9),
        ("2G", 2 * 10**9),
        ("1.5GB", 1_500_000_000),
        ("800m", None),
        ("800M", 800 * MB),
        ("4GiB", 4 << 30),
        ("512 kB", 512_000),
        ("", None),
        ("-1G", None),
        ("many", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    if size is not None:
        assert parse_bytes(text) == size
        return
    with pytest.raises(ValueError, match="no size"):
        parse_bytes(text)


def test_what_the_machine_says() -> None:
    assert machine.process_bytes() > MB
    assert machine.free_bytes() > 0
