"""A browser whose microphone hears a file, and a server; docs/screenshots.py uses them, too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
import soxr

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_STARTING = "serving on "


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


@contextmanager
def running_server(*arguments: str) -> Iterator[str]:
    """`parrotlet serve` with the demo model on a free port; gives its address."""
    command = [sys.executable, "-m", "parrotlet", "serve", "--model", "demo", "--port", "0"]
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen([*command, *arguments], stderr=log)
        try:
            yield _address(process, Path(log.name))
        finally:
            process.terminate()
            process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        first, newline, _ = log.read_text().partition("\n")
        if newline:
            return first.partition(_STARTING)[2]
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text()}")
