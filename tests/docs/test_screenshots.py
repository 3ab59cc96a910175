"""The pictures of terminals show what the commands print."""

from __future__ import annotations

import html
import importlib.util
import re
from types import ModuleType

import pytest
from blocks import PAGES, REPOSITORY

NUMBER = re.compile(r"\d[\d.,:]*")


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    path = REPOSITORY / "docs" / "terminal_screenshots.py"
    spec = importlib.util.spec_from_file_location("screenshots", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(shown: str) -> list[str]:
    """What is shown, whatever the numbers are: those of memory are of a machine."""
    return NUMBER.sub("0", shown).split()


@pytest.mark.parametrize("name", ["quick-start", "memory"])
def test_a_picture_shows_what_is_printed(screenshots: ModuleType, name: str) -> None:
    svg = (REPOSITORY / "docs" / "images" / f"{name}.svg").read_text(encoding="utf-8")
    texts = re.findall(rf'<text class="{name}-r\d+"[^>]*>([^<]*)</text>', svg)
    shown = html.unescape(" ".join(texts)).replace("\xa0", " ")
    assert words(shown) == words(screenshots.screen(name).plain)
    assert name in screenshots.PICTURES


def test_every_picture_is_shown_and_nothing_is_fetched(screenshots: ModuleType) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    drawn = {path.stem for path in (REPOSITORY / "docs" / "images").glob("*.svg")}
    assert set(screenshots.PICTURES) <= drawn
    for name in screenshots.PICTURES:
        assert f"images/{name}.svg" in pages
        svg = (REPOSITORY / "docs" / "images" / f"{name}.svg").read_text(encoding="utf-8")
        assert "url(http" not in svg
