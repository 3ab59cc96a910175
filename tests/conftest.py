"""What every test shares: the data in `tests/data` and the models converted from it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from gguf_files import rewrite

import parrotlet
from parrotlet import _core

DATA = Path(__file__).parent / "data"

# What a shell starts in the background ignores Ctrl-C, and so would all that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-table",
        action="store_true",
        help="the fastest table of kernels alone, for another Python on the same processor",
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long content does not name a test. Older releases of pytest write it out, and an archive,
    which holds the time, would have one name in one process of a run and another in the next."""
    return argname if isinstance(val, bytes | str) and len(val) > 60 else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--one-table"):
        return
    # The fixtures by which tests are run for every table; see parity/conftest.py.
    kept = {"run": (_core.isa(), 2), "isa": _core.isa()}
    others = [item for item in items if not _runs(item, kept)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _runs(item, kept)]


def _runs(item: pytest.Item, kept: Mapping[str, object]) -> bool:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return all(params[name] == value for name, value in kept.items() if name in params)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """`tests/data`; its README says what is there."""
    return DATA


@pytest.fixture(scope="session")
def audio_dir() -> Path:
    """The recordings that `expected.json` of every architecture is about."""
    return DATA / "audio"


@pytest.fixture(scope="session")
def examples_dir() -> Path:
    """The recordings that the README transcribes, and that `tests/data/demo` is about."""
    return DATA.parent.parent / "examples"


@pytest.fixture(scope="session")
def architectures() -> list[str]:
    """Names of the architectures that have a tiny checkpoint, sorted."""
    return sorted(path.parent.name for path in DATA.glob("*/model.nemo"))


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`converted(arch, type)`: the GGUF file of an architecture, converted once per session.

    Models of families that have several are "<family>/<variant>".
    """
    directory = tmp_path_factory.mktemp("converted")

    def convert(arch: str, type: str) -> Path:
        path = directory / f"{arch.replace('/', '-')}-{type}.gguf"
        if not path.exists():
            checkpoints = (DATA / arch / name for name in ("model.nemo", "checkpoint.pt"))
            parrotlet.convert(next(filter(Path.exists, checkpoints)), path, type=type)
        return path

    return convert


@pytest.fixture(scope="session")
def transducer(
    converted: Callable[[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[int]], _core.Model]:
    """`transducer(durations)`: a tiny RNNT model for none, or a TDT model whose first duration
    outputs stand for these, and the others of its five for the last."""
    directory = tmp_path_factory.mktemp("transducers")
    models: dict[tuple[int, ...], _core.Model] = {}

    def load(durations: Sequence[int]) -> _core.Model:
        known = tuple(durations)
        if known not in models:
            path = converted("parakeet-tdt-0.6b-v3" if known else "parakeet-rnnt-0.6b", "f32")
            if known:
                target = directory / f"{'-'.join(map(str, known))}.gguf"
                rewrite(path, target, {"conformer.tdt.durations": [*known, *known[-1:] * 5][:5]})
                path = target
            models[known] = _core.Model(str(path), 1)
        return models[known]

    return load
