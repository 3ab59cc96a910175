"""A browser whose microphone hears a file; docs/page_screenshots.py uses it, too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
import soxr

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def missing() -> str | None:
    """What there is no browser to drive for; None if there is all."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return None if _program() else "there is no Chromium"


def _program() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium(heard: Path) -> Iterator[Browser]:
    """A browser; each time that its microphone is opened, it hears the WAV file `heard` once."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        sound, rate = soundfile.read(heard, dtype="float32")
        spoken = Path(folder) / "spoken.wav"
        soundfile.write(spoken, soxr.resample(sound, rate, 48_000), 48_000)
        browser = playwright.chromium.launch(
            executable_path=_program(),
            args=[
                "--no-sandbox",  # root cannot have it
                "--disable-dev-shm-usage",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={spoken}%noloop",
            ],
        )
        yield browser
        browser.close()
