"""Messages, waiting and the progress bar, within this process."""

from __future__ import annotations

import argparse
import io
import sys
import time

import pytest

from parrotlet.cli import console, main


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 kB"),
        (2_400_000, "2.4 MB"),
        (4_400_000_000, "4.40 GB"),
    ],
)
def test_human_bytes(size: int, text: str) -> None:
    assert console.human_bytes(size) == text


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "x", "0", "1025"])
def test_thread_count_refuses(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        console.thread_count(text)


def test_natural() -> None:
    assert console.natural("0") == 0
    with pytest.raises(argparse.ArgumentTypeError):
        console.natural("-1")


def test_interruptible_gives_back_what_the_work_does() -> None:
    assert console.interruptible(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        console.interruptible(lambda: 1 // 0)
    assert not console.work_is_running()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in place of standard error.

    No fixture: pytest redirects the streams anew between the fixtures and the test.
    """
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_bar_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = pretend_terminal(monkeypatch)
    monkeypatch.setattr(console, "BAR_DELAY", 0.0)
    with console.Bar(True, total=4) as bar:
        bar.update(1, "reading [x].wav")
        wait_until(lambda: "reading [x].wav" in terminal.getvalue())
        with bar.paused():
            print("an error", file=sys.stderr)
        bar.update(2, "more")
        wait_until(lambda: "more" in terminal.getvalue())
    assert "25 %" in terminal.getvalue()


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_bar_cuts_names_and_no_numbers(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = pretend_terminal(monkeypatch)
    monkeypatch.setattr(console, "BAR_DELAY", 0.0)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    with console.Bar(True, total=4) as bar:
        bar.update(4, "a recording whose name is [rather] long.wav (3 of 12)", "317x")
        wait_until(lambda: "…" in terminal.getvalue())
    row = next(row for row in terminal.getvalue().splitlines() if "…" in row)
    assert " 100 % 317x " in row
    assert "left 0:00:00" in row or "left -:--:--" in row
    assert ("long.wav" in row) == (columns > 80)


def test_bar_that_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = pretend_terminal(monkeypatch)
    monkeypatch.setattr(console, "BAR_DELAY", 0.0)
    with console.Bar(True, total=4, label="waiting", animated=False) as bar:
        wait_until(lambda: "waiting" in terminal.getvalue())
        drawn = terminal.getvalue()
        time.sleep(0.3)  # an animated one moves ten times a second
        assert terminal.getvalue() == drawn
        bar.update(1, "reading")
        assert "reading" in terminal.getvalue()


def test_bar_does_not_show_for_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = pretend_terminal(monkeypatch)
    with console.Bar(True, total=4) as bar:
        bar.update(1, "reading")
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("enabled", [True, False])
def test_no_bar_elsewhere(
    enabled: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "BAR_DELAY", 0.0)
    with console.Bar(enabled, total=4) as bar:
        bar.update(1, "reading")
        with bar.paused():
            time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_main_within_a_program(capsys: pytest.CaptureFixture[str], ctc_model, audio_dir) -> None:
    assert main(["transcribe", "-m", str(ctc_model), str(audio_dir / "clip01.wav")]) == 0
    assert capsys.readouterr().out == "the quick brown fox jumps over the lazy dog\n"
    assert main(["inspect", "no-such-file"]) == 1
    assert "no-such-file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
