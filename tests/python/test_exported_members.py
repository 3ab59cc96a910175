"""What is public is what `__all__` says, and is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import parrotlet
from parrotlet import _api


def test_everything_public_is_exported() -> None:
    named = {name for name in vars(_api) if not name.startswith("_")}
    assert named == set(parrotlet.__all__) - {"__version__"}
    assert sorted(parrotlet.__all__) == parrotlet.__all__
    assert all(getattr(parrotlet, name) is getattr(_api, name) for name in named)
    assert named < set(dir(parrotlet))


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'parrotlet' has no attribute 'transcribe'"):
        _ = parrotlet.transcribe


def test_everything_exported_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    documented = re.findall(r"^::: parrotlet\.(\w+)$", page, re.MULTILINE)
    assert sorted(documented) == sorted(set(parrotlet.__all__) - {"__version__"})


def test_everything_exported_has_a_docstring() -> None:
    for name in set(parrotlet.__all__) - {"__version__"}:
        assert getattr(parrotlet, name).__doc__, name
