"""The default number of threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parrotlet import cpus


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretend a machine: CPUs by their siblings, and the quota file's text."""

    def pretend(siblings: dict[int, str], quota: str | None) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(siblings), raising=False)
        monkeypatch.setattr(cpus, "_siblings", siblings.__getitem__)
        file = tmp_path / "cpu.max"
        if quota is not None:
            file.write_text(quota)
        real = Path
        monkeypatch.setattr(cpus, "Path", lambda p: file if str(p).endswith("cpu.max") else real(p))

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
def test_usable_cores(machine, siblings: dict[int, str], quota: str | None, expected: int) -> None:
    machine(siblings, quota)
    assert cpus.usable_cores() == expected


def test_on_this_machine() -> None:
    assert 1 <= cpus.usable_cores() <= (os.cpu_count() or 1)
