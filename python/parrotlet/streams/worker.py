"""The thread that runs the steps of a group of streams."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from parrotlet.streaming import Piece, Taken
from parrotlet.streams.step import take_together

_IDLE_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """A piece of a stream that waits for a step."""

    piece: Piece
    submitted: float = field(default_factory=time.monotonic)
    future: Future[Taken] = field(default_factory=Future)


@dataclass(frozen=True)
class Step:
    """What a step did: its jobs, the encoder frames that each yielded, and when it ran."""

    jobs: tuple[Job, ...]
    frames: tuple[int, ...]
    began: float
    ended: float


class Worker:
    """Takes pieces from any thread and runs all that wait in one step.

    The thread starts with the first piece, and ends when nobody may submit for a while. While a
    step runs, the pieces for the next one gather. A piece that finds the worker idle waits
    `wait` seconds for company at most, and not at all if every stream has come (`company`).
    """

    def __init__(
        self, wait: float, company: Callable[[], int], observe: Callable[[Step], None]
    ) -> None:
        """`company()` is the number of streams that may submit; `observe` is told of each step."""
        self._wait = wait
        self._company = company
        self._observe = observe
        self._waiting: list[Job] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False

    def submit(self, piece: Piece) -> Future[Taken]:
        """Return what the next step will have taken; raises RuntimeError after `end`."""
        job = Job(piece)
        with self._changed:
            if self._ended:
                raise RuntimeError("the group of streams is closed")
            if self._thread is None or not self._thread.is_alive():  # as in a forked child
                self._thread = threading.Thread(
                    target=self._run, name="parrotlet-streams", daemon=True
                )
                self._thread.start()
                # Native code must not outlive the interpreter.
                atexit.register(self.end)
            self._waiting.append(job)
            self._changed.notify_all()
        return job.future

    def end(self) -> None:
        """Run what waits, and stop."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            thread = self._thread
            atexit.unregister(self.end)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while jobs := self._gather():
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                self._step(running)
            del jobs, running  # what streams hold is theirs alone while nothing runs

    def _gather(self) -> list[Job]:
        """Wait for jobs; none when there will be no more."""
        with self._changed:
            while not self._waiting and not self._ended:
                if not self._changed.wait(_IDLE_SECONDS) and self._company() == 0:
                    self._thread = None
                    atexit.unregister(self.end)
                    return []
            while self._waiting and not self._ended and len(self._waiting) < self._company():
                left = self._waiting[0].submitted + self._wait - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            jobs, self._waiting = self._waiting, []
            return jobs

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
        try:
            self._observe(Step(tuple(jobs), frames, began, ended))
        finally:
            for job, one in zip(jobs, taken, strict=True):
                if isinstance(one, Taken):
                    job.future.set_result(one)
                else:
                    job.future.set_exception(one)
