"""How long a window may be, and how many may be recognised at once, for the memory there is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from parrotlet._core import BeamOptions, sizes
from parrotlet.architectures.buffering import MAX_CONTEXT
from parrotlet.machine import free_bytes, parse_bytes, process_bytes
from parrotlet.model_config import ModelConfig

ONE_PASS_SECONDS = 60.0
"""Longer recordings are cut. Models are trained on less than a minute and lose words of more,
transducers most of all; attention over everything takes time that grows with the square of the
length; and one pass cannot be shared between cores as well as several windows can."""

WINDOW_SECONDS = 30.0
"""Longest windows of a recording that is cut: about as long as what models are trained on."""

MIN_WINDOW_SECONDS = 10.0
"""The shortest window: a shorter one would be mostly overlap."""

STEP_SECONDS = MIN_WINDOW_SECONDS
"""Where memory is what limits windows, their lengths are multiples of this, so that the next run,
with some more memory or less, finds the same."""

OVERLAP_SECONDS = 4.0
"""What a window has before and after the part whose words are taken from it."""

TOGETHER_SECONDS = 0.0
"""How much sound of short windows that wait goes through the encoder together. Weights are then
read once for all of them. With 0 each goes alone. `bench/batched.py` measures which is faster."""

MEMORY_SHARE = 0.5
"""Part of the memory that is free which is used unless told otherwise."""

_FIXED_BYTES = 16 << 20
"""What does not depend on a window's length: reading ahead, windows that wait, gaps in the heap."""


def check_attention_window(frames: int) -> None:
    """Raise ValueError for what is no number of frames that an attention window may have."""
    if type(frames) is not int or not 1 <= frames <= MAX_CONTEXT:
        raise ValueError(
            f"attention_window is {frames!r}; expected a whole number of frames from 1 to "
            f"{MAX_CONTEXT}"
        )


@dataclass(frozen=True, slots=True)
class Windowing:
    """How a caller wants long recordings to be divided into windows.

    `max_memory`, in bytes or as in "2G", is what the whole process may use, by default what it has
    and half of what is free. `window`, in seconds, replaces both `ONE_PASS_SECONDS`, the longest
    recording that is recognised in one pass, and `WINDOW_SECONDS`, the longest window of another.
    Either is shorter where memory is short. `attention_window` says that an encoder frame sees so
    many frames on either side only: a recording of any length is then one pass, unless there is a
    `window` as well.

    Raises ValueError for a text that is no size, for a window below `MIN_WINDOW_SECONDS`, and for
    an attention window that is not from 1 to `MAX_CONTEXT` frames.
    """

    max_memory: int | str | None = None
    window: float | None = None
    attention_window: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        if isinstance(self.max_memory, str):
            parse_bytes(self.max_memory)
        if self.window is not None and not self.window >= MIN_WINDOW_SECONDS:
            raise ValueError(f"window is {self.window:g} s; at least {MIN_WINDOW_SECONDS:g} s work")
        if self.attention_window is not None:
            check_attention_window(self.attention_window)

    @property
    def one_pass_seconds(self) -> float:
        """The longest recording that is recognised in one pass if memory lets it."""
        return self._longest(ONE_PASS_SECONDS)

    @property
    def window_seconds(self) -> float:
        """The longest window of a longer recording if memory lets it."""
        return self._longest(WINDOW_SECONDS)

    def _longest(self, default: float) -> float:
        if self.window is not None:
            return self.window
        return default if self.attention_window is None else math.inf

    @property
    def max_bytes(self) -> int | None:
        """`max_memory` in bytes."""
        return parse_bytes(self.max_memory) if isinstance(self.max_memory, str) else self.max_memory


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in samples, but for `memory`.

    A recording of up to `one_pass` is recognised as it is. Longer ones are recognised in windows of
    up to `window` samples. These reach `overlap` over each cut, and begin at multiples of `grid`.
    Windows of up to `together` samples in all go through the encoder together. `memory` bounds the
    scratch memory, in bytes, of all windows that are being recognised at once.
    """

    one_pass: int
    window: int
    overlap: int
    grid: int
    memory: int
    together: int = 0


def choose_limits(
    windowing: Windowing,
    config: ModelConfig,
    window_bytes: Callable[[int], int],
    right_context: int,
    threads: int,
) -> Limits:
    """Choose limits for a model that is loaded.

    `window_bytes` is what `WindowMemory` says of so many samples at the same right context.

    Raises ValueError if there may not be enough memory for the shortest window.
    """
    rate = config.sample_rate
    memory = _scratch_bytes(windowing, shortest=window_bytes(round(MIN_WINDOW_SECONDS * rate)))
    one_pass = _longest(window_bytes, rate, memory, windowing.one_pass_seconds)
    # All cores at once if that leaves windows of some length, or else fewer windows.
    share = max(memory // threads, min(memory, window_bytes(30 * rate)))
    window = min(one_pass, _longest(window_bytes, rate, share, windowing.window_seconds))
    chunk = right_context + 1 if config.chunked and right_context >= 0 else 1
    return Limits(
        one_pass=one_pass,
        window=window,
        overlap=min(round(OVERLAP_SECONDS * rate), window // 5),
        grid=config.subsampling * config.hop_length * chunk,
        memory=memory,
        together=min(round(TOGETHER_SECONDS * rate), window),
    )


def _scratch_bytes(windowing: Windowing, shortest: int) -> int:
    """Return the memory for all windows at once; raises ValueError if `shortest` may not fit."""
    used, max_bytes = process_bytes(), windowing.max_bytes
    memory = int(free_bytes() * MEMORY_SHARE) if max_bytes is None else max_bytes - used
    if memory >= shortest:
        return memory
    if max_bytes is None:
        return shortest  # the system may find it yet
    raise ValueError(
        f"max_memory is {max_bytes / 1e6:.0f} MB; the process has {used / 1e6:.0f} MB "
        f"with the model loaded and needs {shortest / 1e6:.0f} MB more"
    )


class WindowMemory:
    """The memory that recognising a window takes, as the runtime counts it for one model.

    What has been counted is remembered, by whole seconds.
    """

    def __init__(self, planner: Callable[[], sizes.Planner], config: ModelConfig) -> None:
        """`planner` makes a planner of the model that has counted nothing yet."""
        self._planner = planner
        self._config = config
        self._known: dict[tuple[object, ...], int] = {}

    def bytes(
        self,
        samples: int,
        context: tuple[int, int],
        search: tuple[str, BeamOptions] | None = None,
    ) -> int:
        """Bytes for a window of `samples` at an attention context.

        `search` is the head and the beam, by default a greedy search. The model, and the positions
        that it keeps for all windows, are not counted.
        """
        seconds = -(-samples // self._config.sample_rate)
        named = search and (search[0], search[1].strategy, search[1].size)
        key = seconds, context, named
        if key not in self._known:
            self._known[key] = self._count(seconds * self._config.sample_rate, context, search)
        return self._known[key]

    def _count(
        self, samples: int, context: tuple[int, int], search: tuple[str, BeamOptions] | None
    ) -> int:
        config, planner = self._config, self._planner()
        searching = planner.search_with(*search) if search else 0
        frames, encoded, _ = planner.recording(samples, *context)
        kept = 4 * (samples + frames * config.mel_bands + encoded * config.d_model)
        return _FIXED_BYTES + kept + searching + sum(planner.scratch(huge_pages=False))


def _longest(window_bytes: Callable[[int], int], rate: int, memory: int, seconds: float) -> int:
    """Return how many samples, up to `seconds`, `memory` is enough for."""
    step = round(STEP_SECONDS * rate)
    whole = round(min(seconds, 1e6) * rate)
    if whole <= ONE_PASS_SECONDS * rate and window_bytes(whole) <= memory:
        return whole
    # Doubled until it is too long, so that nothing much longer than what fits is ever counted.
    low, high = 1, 2
    while high * step < whole and window_bytes(high * step) <= memory:
        low, high = high, 2 * high
    if high * step >= whole and window_bytes(whole) <= memory:
        return whole
    while high - low > 1:
        middle = (low + high) // 2
        if window_bytes(middle * step) <= memory:
            low = middle
        else:
            high = middle
    return low * step
