"""Parity tests run once per architecture, and for every instruction set."""

from pathlib import Path

import pytest

from parrotlet import _core

DATA = Path(__file__).parent.parent / "data"

# Each run takes a model through all its clips and checks, so that a model loads once per run.
# Threads change no bit on any instruction set (tests/kernels): two of them are tried on one.
RUNS = [*((isa, 1) for isa in _core.available_isas()), (_core.isa(), 2)]


LONG = ("test_long_recordings_in_pieces[scalar-", "[scalar-demo]")
"""Parts of the names of tests that take seconds, since the scalar table is slow, and try nothing of
it that others do not."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.nodeid for part in LONG):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=sorted(path.parent.name for path in DATA.glob("*/model.nemo")))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=RUNS, ids=lambda run: f"{run[0]}-{run[1]}")
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Forces the instruction set; the value is the number of threads."""
    isa, threads = request.param
    monkeypatch.setenv("PARROTLET_ISA", isa)
    return int(threads)


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Forces the instruction set."""
    monkeypatch.setenv("PARROTLET_ISA", request.param)
    return str(request.param)
