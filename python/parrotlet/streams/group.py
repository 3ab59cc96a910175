"""A group of live streams on one model."""

from __future__ import annotations

import contextlib
import threading
import weakref
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from numpy.typing import ArrayLike

from parrotlet.decoding.options import Decoding
from parrotlet.decoding.partial import Partial
from parrotlet.errors import CapacityError
from parrotlet.results import Transcription
from parrotlet.streaming import Stream, Taken, Work
from parrotlet.streams.capacity import CostEstimate
from parrotlet.streams.stats import GroupStats, Record
from parrotlet.streams.worker import Limit, Seat, Step, Worker

_Result = TypeVar("_Result")
_Self = TypeVar("_Self", bound="_Closed")


@dataclass(frozen=True)
class Choices:
    """What a stream is opened with, as for `Model.stream`."""

    decoding: Decoding
    right_context: int | None
    language: str | None


class Live(Protocol):
    """A model with the choices for a stream."""

    @property
    def chunk_size(self) -> int:
        """Encoder frames of the stream's chunks."""

    @property
    def frame_seconds(self) -> float:
        """Seconds of sound that an encoder frame stands for."""

    def stream(self, make: Callable[..., Stream]) -> Stream:
        """Start one; `make` takes what Stream takes."""


class _Closed(ABC):
    """What is closed at the end of a `with` statement."""

    @abstractmethod
    def close(self) -> None:
        """End."""

    def __enter__(self: _Self) -> _Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class StreamGroup(_Closed):
    """Live streams that share each pass over the weights; `Model.streams` makes it.

    Whoever has a chunk ready takes part in the next step, and gets to the bit what it would get
    alone. Streams may differ in right context and decoding. They are opened, fed and finished at
    any time, from any thread or from asyncio. A stream that is not fed holds up nobody.

    As a context manager, the group is closed at the end.
    """

    def __init__(
        self,
        live: Callable[[Decoding, int | None, str | None], Live],
        choices: Choices,
        max_streams: int | None,
        wait_seconds: float,
    ) -> None:
        """Make an empty group; `Model.streams` says what the arguments are."""
        if max_streams is not None and max_streams < 1:
            raise ValueError(f"max_streams must be from 1, not {max_streams}")
        if not 0 <= wait_seconds < threading.TIMEOUT_MAX:
            raise ValueError(f"wait_seconds must be from 0, not {wait_seconds}")
        live(choices.decoding, choices.right_context, choices.language)  # refuses what cannot be
        self._live = live
        self._choices = choices
        self._limit = max_streams
        self._open: dict[int, int] = {}  # frames of a chunk by stream
        self._opened = 0
        self._frame_seconds = 0.0
        self._lock = threading.Lock()
        self._record = Record()
        self._estimate = CostEstimate()
        self._worker = Worker(
            wait_seconds, lambda: len(self._open), self._step_limit, self._observe
        )

    def open(
        self,
        right_context: int | None = None,
        *,
        decoding: Decoding | None = None,
        language: str | None = None,
    ) -> GroupStream:
        """Start a stream in the group; without arguments, with the group's.

        Raises CapacityError where no more may be open, and what `Model.stream` raises.
        """
        default = self._choices
        live = self._live(
            default.decoding if decoding is None else decoding,
            default.right_context if right_context is None else right_context,
            default.language if language is None else language,
        )
        number = self._admit(live)
        try:
            stream = cast(GroupStream, live.stream(partial(GroupStream, self._worker)))
        except BaseException:
            del self._open[number]
            raise
        stream.leave = weakref.finalize(stream, self._open.pop, number, None)
        return stream

    def stats(self) -> GroupStats:
        """Return how the group is doing."""
        with self._lock:
            return self._record.stats(len(self._open), self._most_streams())

    def close(self) -> None:
        """End the group; its streams take no more samples."""
        self._worker.end()

    def _most_streams(self) -> int | None:
        """Return how many streams like those that are open there may be, if that is known."""
        cost = self._estimate.cost()
        chunks = Counter(self._open.copy().values())
        if self._limit is not None or cost is None or not chunks:
            return self._limit
        return cost.most_streams(chunks, self._frame_seconds)

    def _step_limit(self) -> Limit | None:
        """Return what lets streams of shorter chunks than others be in time; None where all have
        the same."""
        sizes = set(self._open.copy().values())
        cost = self._estimate.cost()
        if len(sizes) < 2 or cost is None:
            return None
        shortest = min(sizes)
        return Limit(shortest, cost.most_frames(shortest, self._frame_seconds))

    def _admit(self, live: Live) -> int:
        """Count a stream as open before it takes any memory; return its number.

        Raises CapacityError if it would be one too many.
        """
        with self._lock:
            self._frame_seconds = live.frame_seconds
            self._check_capacity(live)
            self._opened += 1
            self._open[self._opened] = live.chunk_size
            return self._opened

    def _check_capacity(self, live: Live) -> None:
        chunks = Counter([*self._open.copy().values(), live.chunk_size])
        if self._limit is not None:
            if chunks.total() > self._limit:
                raise CapacityError(
                    f"{self._limit} streams are open, which is max_streams; finish one first"
                )
            return
        cost = self._estimate.cost()
        frame = live.frame_seconds
        if cost is None or chunks.total() == 1 or cost.carries(chunks, frame):
            return
        behind = cost.behind(chunks, frame)
        raise CapacityError(
            f"this machine carries no more than the {chunks.total() - 1} streams that are open: a "
            f"step takes {cost.step * 1e3:.1f} ms and {cost.frame * 1e3:.2f} ms for each frame of "
            f"{frame * 1e3:.0f} ms, so that with one more, texts would be "
            + (f"{behind.seconds * 1e3:.0f} ms" if behind.seconds < 60 else "ever more")
            + f" behind, where a chunk is {behind.chunk * 1e3:.0f} ms; finish one first, or "
            "set max_streams"
        )

    def _observe(self, step: Step) -> None:
        frames = sum(step.frames)
        if frames:
            with self._lock:
                self._record.add(step)
                self._estimate.add(frames, step.ended - step.began)


class GroupStream(Stream, _Closed):
    """A stream of a StreamGroup: what Stream is, and may be fed from asyncio.

    It leaves the group at `finish`, when it is closed, and when nothing refers to it any more.
    """

    leave: Callable[[], object]

    def __init__(self, worker: Worker, *args: Any, **keywords: Any) -> None:
        """Start; the arguments after `worker` are those of Stream."""
        super().__init__(*args, **keywords)
        self._worker = worker
        self._seat = Seat(self.chunk_size, self.chunk_seconds)

    async def feed_async(self, samples: ArrayLike) -> Partial:
        """Do what `feed` does, and let other tasks run meanwhile.

        Where the task is cancelled meanwhile, some of the samples may have been taken; the stream
        can go on.
        """
        return await self._run_async(self._feeding(samples))

    async def finish_async(self) -> Transcription:
        """Do what `finish` does, and let other tasks run meanwhile."""
        try:
            return await self._run_async(self._finishing())
        finally:
            self._leave()

    def finish(self) -> Transcription:
        """Recognise what is left, and leave the group. As `Stream.finish`."""
        try:
            return super().finish()
        finally:
            self._leave()

    def close(self) -> None:
        """Leave the group without a result. The stream takes no more samples."""
        self._encoder = None
        self._leave()

    def _leave(self) -> None:
        """Leave the group, and let nobody wait for this stream any more."""
        self.leave()
        self._worker.count_again()

    @property
    def _block(self) -> int:
        # About a chunk, so that a long piece does not hold up the others.
        return max(1, round(max(self.chunk_seconds, 0.08) * self._sample_rate))

    def _run(self, work: Work[_Result]) -> _Result:
        try:
            piece = next(work)
            while True:
                future = self._worker.submit(piece, self._seat)
                try:
                    taken = future.result()
                except BaseException:
                    _settle(work, future)
                    raise
                piece = work.send(taken)
        except StopIteration as ended:
            return cast(_Result, ended.value)
        finally:
            work.close()

    async def _run_async(self, work: Work[_Result]) -> _Result:
        import asyncio  # takes a while, and few need it

        try:
            piece = next(work)
            while True:
                future = self._worker.submit(piece, self._seat)
                try:
                    taken = await asyncio.shield(asyncio.wrap_future(future))
                except BaseException:
                    _settle(work, future)
                    raise
                piece = work.send(taken)
        except StopIteration as ended:
            return cast(_Result, ended.value)
        finally:
            work.close()


def _settle(work: Work[Any], future: Future[Taken]) -> None:
    """Let a stream go on after its caller was interrupted: the piece is taken, a step later."""
    if future.exception() is None:
        with contextlib.suppress(StopIteration):
            work.send(future.result())
