"""The thread that runs the steps of a group of streams."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

from parrotlet.streaming import Piece, Taken
from parrotlet.streams.step import take_together
from parrotlet.workers import end_at_exit

_IDLE_SECONDS = 1.0

_PROMPT_SECONDS = 0.005
"""A stream that has its next samples within so long of a result is behind, or is fed a file."""

_QUIET_SECONDS = 0.0007
"""When nobody has come for so long, those who are behind have come: each takes less to return. The
same goes for streams whose samples come at the same moment."""

_BURST_SECONDS = 0.02
"""Streams that come one after the other are waited for no longer than that."""


@dataclass(eq=False)
class Seat:
    """A stream's place: the encoder frames of its chunks and their seconds, when it last had a
    result, and whether it came back at once before that."""

    frames: int
    seconds: float
    served: float = -math.inf
    prompt: bool = False


@dataclass(frozen=True)
class Job:
    """A piece of a stream that waits for a step."""

    piece: Piece
    seat: Seat
    submitted: float = field(default_factory=time.monotonic)
    future: Future[Taken] = field(default_factory=Future)

    @property
    def due(self) -> float:
        """When the stream's next chunk is there: until then this one is in time."""
        return self.submitted + self.seat.seconds


@dataclass(frozen=True)
class Step:
    """What a step did: its jobs, the encoder frames that each yielded, and when it ran."""

    jobs: tuple[Job, ...]
    frames: tuple[int, ...]
    began: float
    ended: float


class Limit(NamedTuple):
    """Frames of the shortest chunks, and those that longer ones may fill a step with."""

    shortest: int
    most: int


def share(waiting: list[Job], limit: Limit | None, now: float) -> tuple[list[Job], list[Job]]:
    """Divide jobs into those of the next step and those after it.

    All of the shortest chunks go, and what is due first. Others fill the step in the order in which
    they are due. Where one would be late for it, all go: a step of many takes less time than
    several.
    """
    if limit is None:
        return waiting, []
    step: list[Job] = []
    rest: list[Job] = []
    frames = sum(job.seat.frames for job in waiting if job.seat.frames <= limit.shortest)
    for job in sorted(waiting, key=lambda job: job.due):
        if job.seat.frames <= limit.shortest:
            step.append(job)
        elif not step or (not rest and frames + job.seat.frames <= limit.most):
            step.append(job)
            frames += job.seat.frames
        else:
            rest.append(job)
    return (waiting, []) if rest and rest[0].due < now else (step, rest)


class Worker:
    """Takes pieces from any thread and runs all that wait in one step.

    The thread starts with the first piece, and ends when nobody may submit for a while. While a
    step runs, the pieces for the next one gather. A piece that finds the worker idle waits
    `wait` seconds for company at most, and beyond that while others come; not at all if every
    stream has come (`company`). Without that, the first of many that come at the same moment would
    have a step of its own, which all the others wait for.

    Streams that came back at once after their last result are waited for after a step, while they
    come. Without that, streams that are behind fall into two halves, each of which waits for the
    other's steps, and read all weights twice where once would do.
    """

    def __init__(
        self,
        wait: float,
        company: Callable[[], int],
        limit: Callable[[], Limit | None],
        observe: Callable[[Step], None],
    ) -> None:
        """`company()` is the number of streams that may submit, `limit()` how far longer chunks
        fill a step where there are shorter ones; `observe` is told of each step."""
        self._wait = wait
        self._company = company
        self._limit = limit
        self._observe = observe
        self._waiting: list[Job] = []
        self._put_off = False  # some of those that wait have waited for company already
        self._returning: set[Seat] = set()
        self._quiet_at = 0.0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False
        end_at_exit(self)

    def submit(self, piece: Piece, seat: Seat) -> Future[Taken]:
        """Return what the next step will have taken; raises RuntimeError after `end`."""
        job = Job(piece, seat)
        seat.prompt = job.submitted - seat.served < _PROMPT_SECONDS
        with self._changed:
            if self._ended:
                raise RuntimeError("the group of streams is closed")
            if self._thread is None or not self._thread.is_alive():  # as in a forked child
                self._thread = threading.Thread(
                    target=self._run, name="parrotlet-streams", daemon=True
                )
                self._thread.start()
            self._waiting.append(job)
            last_back = self._returning == {seat}
            self._returning.discard(seat)
            self._quiet_at = job.submitted + _QUIET_SECONDS
            # Others wait on: each waking costs a moment that a step lacks.
            if len(self._waiting) == 1 or last_back or self._all_came():
                self._changed.notify_all()
        return job.future

    def count_again(self) -> None:
        """Wait no longer if every stream has come: there are fewer of them."""
        with self._changed:
            self._changed.notify_all()

    def end(self) -> None:
        """Run what waits, and stop."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        idle = True
        while jobs := self._gather(idle):
            idle = False
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                self._step(running)
            del jobs, running  # what streams hold is theirs alone while nothing runs

    def _gather(self, idle: bool) -> list[Job]:
        """Wait for jobs; none when there will be no more. `idle`: no step has just been run."""
        with self._changed:
            idle = idle or not self._waiting
            while not self._waiting and not self._ended:
                if not self._changed.wait(_IDLE_SECONDS) and self._company() == 0:
                    self._thread = None
                    return []
            while self._waiting and not (self._ended or self._put_off or self._all_came()):
                first = self._waiting[0].submitted
                start = first + self._wait
                if self._returning:
                    start = max(start, self._quiet_at)
                elif idle:
                    start = max(start, min(self._quiet_at, first + _BURST_SECONDS))
                left = start - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            jobs, self._waiting = share(self._waiting, self._limit(), time.monotonic())
            self._put_off = bool(self._waiting)
            return jobs

    def _all_came(self) -> bool:
        return len(self._waiting) >= self._company()

    def _expect(self, seats: Sequence[Seat], now: float) -> None:
        """Wait for those of the streams that have just been served which come back at once."""
        with self._changed:
            self._returning = {seat for seat in seats if seat.prompt}
            self._quiet_at = now + _QUIET_SECONDS
            for seat in seats:
                seat.served = now

    def _step(self, jobs: list[Job]) -> None:
        began = time.monotonic()
        try:
            taken = take_together([job.piece for job in jobs])
        except BaseException as error:
            taken = [
                error if isinstance(error, Exception) else RuntimeError(repr(error)) for _ in jobs
            ]
        ended = time.monotonic()
        frames = tuple(one.frames if isinstance(one, Taken) else 0 for one in taken)
        self._expect([job.seat for job in jobs], ended)
        try:
            self._observe(Step(tuple(jobs), frames, began, ended))
        finally:
            for job, one in zip(jobs, taken, strict=True):
                if isinstance(one, Taken):
                    job.future.set_result(one)
                else:
                    job.future.set_exception(one)
