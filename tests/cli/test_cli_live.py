"""The parts of `parrotlet stream` that need no process: terminal rows, pace, raw samples."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet.cli.live import LiveText, PlainText
from parrotlet.cli.sources import paced, raw_samples
from parrotlet.decoding.history import TextHistory, WordHistory, Words
from parrotlet.decoding.partial import Partial

RATE = 16_000


def partial(lines: Sequence[str], unfinished: str = "") -> Partial:
    return Partial(
        time=0.0,
        unfinished=unfinished,
        words=Words(WordHistory(0.08), 0),
        new_words=(),
        new_lines=tuple(lines),
        events=(),
        _history=TextHistory(),
        _final_size=0,
    )


def rows(states: list[tuple[Sequence[str], str]], columns: int, monkeypatch) -> list[str]:
    """The rows of a terminal after `states`, each of new lines and an unfinished word."""
    out = io.StringIO()
    monkeypatch.setattr(LiveText, "_width", lambda self: columns - 1)
    live = LiveText(out)
    for lines, unfinished in states:
        live.show(partial(lines, unfinished))
    live.close(None)
    return screen(out)


def screen(out: io.StringIO) -> list[str]:
    """What a terminal shows after all that was written."""
    found = []
    for row in out.getvalue().split("\n"):
        cells = ""
        for drawn in row.split("\r"):
            cells = drawn + cells[len(drawn) :]
        found.append(cells.rstrip())
    return found


def test_an_unfinished_word_is_redrawn(monkeypatch) -> None:
    states = [([""], "o"), ([""], "open"), (["open"], " th"), ([" the"], "")]
    assert rows(states, 40, monkeypatch) == ["open the", ""]


def test_what_is_unfinished_moves_to_the_next_row(monkeypatch) -> None:
    states = [(["open the"], " win"), ([""], " window"), ([" window"], " and"), ([" and"], "")]
    assert rows(states, 14, monkeypatch) == ["open the", "window and", ""]


def test_any_number_of_unfinished_words_may_change(monkeypatch) -> None:
    states = [
        (["open"], " the win"),
        ([""], " the window and bring"),
        ([""], " a"),
        ([" the"], ""),
        ([""], " window"),
        ([""], " win"),
        ([" winter"], " coat"),
        ([" coat"], ""),
    ]
    assert rows(states, 14, monkeypatch) == ["open the", "winter coat", ""]


word = st.text("abcdefgh", min_size=1, max_size=12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.lists(word, max_size=3), st.lists(word, max_size=9))))
def test_a_row_shows_the_state_and_nothing_of_the_one_before(
    said: list[tuple[list[str], list[str]]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(LiveText, "_width", lambda self: 20)
        out = io.StringIO()
        live = LiveText(out)
        final = ""
        for words, guess in said:
            new = "".join(f" {w}" for w in words)
            unfinished = "".join(f" {w}" for w in guess)
            new, unfinished = (new, unfinished) if final else (new[1:], unfinished)
            final += new
            live.show(partial([new], unfinished))
            whole = (final + unfinished).replace(" ", "")
            shown = screen(out)[-1].replace(" ", "")
            assert whole.endswith(shown)
            tail = unfinished.strip()[-20:].replace(" ", "")
            assert shown.endswith(tail)
        live.show(partial([""]))
        live.close(None)
    # Rows are ended by final text alone.
    found = screen(out)
    assert "".join(found).replace(" ", "") == final.replace(" ", "")
    assert all(len(row) <= 20 for row in found)


def test_a_long_preview_is_drawn_by_its_end(monkeypatch) -> None:
    states = [([""], "語 open" * 20_000), ([""], "é" * 50), ([""], "")]
    assert rows(states, 9, monkeypatch) == [""]


def test_long_text_is_divided_between_words(monkeypatch) -> None:
    states = [(["open the window and bring the small red box"], "")]
    expected = ["open the", "window and", "bring the", "small red box", ""]
    assert rows(states, 14, monkeypatch) == expected


def test_a_word_longer_than_a_row(monkeypatch) -> None:
    states = [([""], "abcdefghijkl"), (["abcdefghijkl"], ""), ([" m"], "")]
    assert rows(states, 9, monkeypatch) == ["abcdefgh", "ijkl m", ""]


def test_wide_characters_take_two_cells(monkeypatch) -> None:
    states = [(["日本語日本語日本語"], "")]
    assert rows(states, 9, monkeypatch) == ["日本語日", "本語日本", "語", ""]


def test_no_row_begins_with_punctuation(monkeypatch) -> None:
    states = [(["日本語、日本語。日本"], "")]
    assert rows(states, 8, monkeypatch) == ["日本", "語、日", "本語。", "日本", ""]
    states = [(["ภาษาไทยกี่ ๆ"], "")]
    assert "".join(rows(states, 5, monkeypatch)).replace(" ", "") == "ภาษาไทยกี่ๆ"


def test_lines_end_where_utterances_do(monkeypatch) -> None:
    states = [(["open.", "The", ""], "box"), (["box", ""], "")]
    assert rows(states, 40, monkeypatch) == ["open.", "The", "box", ""]


def test_plain_text_has_a_line_for_each_utterance() -> None:
    out = io.StringIO()
    plain = PlainText(out)
    for lines in ([""], ["open"], [" the", "box"], [" red."], ["", ""]):
        plain.show(partial(lines))
    plain.close(None)
    assert out.getvalue() == "open the\nbox red.\n"


def test_pace() -> None:
    """Each piece is given out when its last sample would have been recorded."""
    clock = [100.0]
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    blocks = [np.zeros(3000, np.float32), np.zeros(1000, np.float32)]
    times = []
    for piece in paced(blocks, RATE, now=lambda: clock[0], sleep=sleep):
        times.append((len(piece), round(clock[0] - 100, 4)))
        # Recognition takes a while, once longer than a piece.
        clock[0] += 0.2 if len(times) == 1 else 0.01
    assert times == [(1280, 0.08), (1280, 0.28), (440, 0.29), (1000, 0.3)]
    assert min(waits) == 0


class Pipe(io.RawIOBase):
    """A pipe that gives out what was written to it write by write."""

    def __init__(self, writes: list[bytes]) -> None:
        self.writes = writes

    def read(self, size: int = -1) -> bytes:
        return self.writes.pop(0) if self.writes else b""


def test_raw_samples_that_are_cut_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    samples = np.arange(-50, 50, dtype="<i2") * 600
    data = samples.tobytes()
    writes = [data[:1], data[1:2], data[2:7], data[7:60], data[60:61], data[61:], b"\x7f"]
    found = np.concatenate(list(raw_samples(Pipe(writes), RATE)))
    assert np.array_equal(found * 32768, samples.astype(np.float32))
    assert "half a sample" in capsys.readouterr().err


def test_one_raw_sample() -> None:
    found = np.concatenate(list(raw_samples(Pipe([b"\x00\x40"]), RATE)))
    assert found.tolist() == [0.5]
