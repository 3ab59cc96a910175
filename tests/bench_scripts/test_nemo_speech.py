"""Streams of NeMo-Speech.cpp, with something in the place of its library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def nemo_speech(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, found as scripts find it."""
    monkeypatch.syspath_prepend(str(BENCH))
    from peers import nemo_speech

    return nemo_speech


class Library:
    """Notes what is called. Whatever is fed gives two results; `fails` names what does not work."""

    def __init__(self, fails: str = "") -> None:
        self.called: list[str] = []
        self._fails = fails
        self._results = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        name = name.removeprefix("nemo_speech_asr_")

        def function(*arguments: Any) -> Any:
            if name == "last_error":
                return b"no such thing"
            self.called.append(name)
            if name == "stream_push_f32":
                self._results = 2
            if name == "stream_next":
                self._results -= 1
                arguments[-1]._obj.value = 1 if self._results >= 0 else None
            return int(name == self._fails)

        return function


def test_a_stream_is_fed_until_there_is_no_result_and_closed(nemo_speech: ModuleType) -> None:
    library = Library()
    peer = nemo_speech.NemoSpeech(library, Path("model.gguf"))
    with peer.streams(1, 0.16, 2, together=True) as (one, _):
        one.feed(np.zeros(2560, np.float32))
        assert one.chunk_seconds == 0.16
    assert library.called == [
        "create",
        *["streaming_recognize"] * 2,
        "stream_push_f32",
        *["stream_next", "result_destroy"] * 2,
        "stream_next",
        *["stream_close"] * 2,
        "destroy",
    ]


def test_what_the_library_says_is_an_error(nemo_speech: ModuleType) -> None:
    library = Library(fails="streaming_recognize")
    peer = nemo_speech.NemoSpeech(library, Path("model.gguf"))
    with (
        pytest.raises(nemo_speech.NemoSpeechError, match="streaming_recognize: no such thing"),
        peer.streams(1, 0.16, 2, together=False),
    ):
        pass
    assert library.called == ["create", "streaming_recognize", "destroy"]
