"""Threads that recognise windows side by side, within a budget of memory."""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

WORKER_NAME = "parrotlet-work"
"""Name of every thread that computes in the background."""

SWITCH_SECONDS = 0.0001
"""How long Python may run in one thread while another one wants to: threads that compute want the
interpreter for moments only, and not to wait for it longer."""

POLL_SECONDS = 0.2
"""Waiting without a limit would not be interrupted on Windows."""

_T = TypeVar("_T")


class Task(Generic[_T]):
    """A piece of work, the memory in bytes that it takes, and the seconds of sound it is about."""

    def __init__(self, work: Callable[[], _T], memory: int, seconds: float) -> None:
        """Describe the work."""
        self.work = work
        self.memory = memory
        self.seconds = seconds
        self.future: Future[_T] = Future()


class _Switching:
    """Sets Python's switch interval while anybody works, and what it was before after that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0.0

    def begin(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(SWITCH_SECONDS, self._before))
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._before)


_switching = _Switching()


class Ends(Protocol):
    """What has threads."""

    def end(self) -> None:
        """End them."""


_there: weakref.WeakSet[Ends] = weakref.WeakSet()


def end_at_exit(threads: Ends) -> None:
    """End threads with the interpreter, which native code must not outlive, if anybody refers to
    them by then: they do themselves while they run."""
    _there.add(threads)


@atexit.register
def _end_all() -> None:
    for threads in list(_there):
        threads.end()


@dataclass(frozen=True)
class Sharing:
    """How one thread runs several short tasks together.

    `work` gives a result or an error for each task. A thread takes tasks about up to `seconds` of
    sound in all; with 0 each task runs by itself.
    """

    seconds: float
    work: Callable[[Sequence[Any]], Sequence[object]]


class Workers:
    """Threads that take tasks in the order in which they come.

    As many run at once as there are threads and memory; one that needs more memory than there is
    runs alone. To be used as a context: leaving it forgets the tasks that wait, and waits for those
    that run, except for Ctrl-C, and where a generator is closed.
    """

    QUEUED_SECONDS = 30.0
    """Tasks are waiting in sufficient number when they are about so much sound per thread."""

    def __init__(self, threads: int, memory: int, sharing: Sharing | None = None) -> None:
        """Start no thread yet: that is done as tasks come."""
        self._limit = threads
        self._sharing = sharing
        self._memory = memory
        self._queue: deque[Task[object]] = deque()
        self._running: set[Task[object]] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._changed = threading.Condition()
        end_at_exit(self)

    def __enter__(self) -> Workers:
        """Let threads take turns more often."""
        _switching.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        _switching.end()
        self._close()
        if kind is None or issubclass(kind, Exception):
            self.end()

    def _close(self) -> None:
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()

    def end(self) -> None:
        """Forget the tasks that wait, and wait for those that run."""
        self._close()
        for thread in self._threads:
            thread.join()

    def submit(self, task: Task[_T]) -> Future[_T]:
        """Add a task; the result is there when the task has run."""
        with self._changed:
            self._queue.append(task)  # type: ignore[arg-type]
            if len(self._threads) < min(self._limit, len(self._running) + len(self._queue)):
                thread = threading.Thread(target=self._work, name=WORKER_NAME, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()
        return task.future

    def wait(self, future: Future[_T]) -> None:
        """Wait until `future` is done."""
        self._wait_for(future.done)

    def wait_for_room(self, future: Future[_T] | None) -> None:
        """Wait until there is room for more tasks, or `future` is done."""
        self._wait_for(lambda: (future is not None and future.done()) or self._has_room())

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            while not self._changed.wait_for(condition, POLL_SECONDS):
                pass

    @property
    def has_room(self) -> bool:
        """Whether more tasks should be submitted, so that no thread will have nothing to do."""
        with self._changed:
            return self._has_room()

    def _has_room(self) -> bool:
        queued = sum(task.seconds for task in self._queue)
        return len(self._queue) <= self._limit or queued < self.QUEUED_SECONDS * self._limit

    def _work(self) -> None:
        while tasks := self._next():
            self._run([task for task in tasks if task.future.set_running_or_notify_cancel()])
            with self._changed:
                self._running.difference_update(tasks)
                self._changed.notify_all()

    def _run(self, tasks: Sequence[Task[object]]) -> None:
        """Run tasks that are taken together; what fails as a whole fails in each."""
        try:
            if self._sharing is not None and len(tasks) > 1:
                results = self._sharing.work(tasks)
            else:
                results = [task.work() for task in tasks]
        except BaseException as error:
            results = [error] * len(tasks)
        for task, result in zip(tasks, results, strict=True):
            if isinstance(result, BaseException):
                task.future.set_exception(result)
            else:
                task.future.set_result(result)

    def _next(self) -> list[Task[object]]:
        """Wait for tasks that there is memory for; none when it is time to stop."""
        with self._changed:
            while not self._closed:
                if self._queue and self._fits(self._queue[0]):
                    tasks = self._take_share()
                    self._changed.notify_all()
                    return tasks
                self._changed.wait()
            return []

    def _take_share(self) -> list[Task[object]]:
        """Take the first task, and those after it that are to run together with it.

        No thread takes more than its share of what waits, so that the others are not idle.
        """
        tasks = [self._queue.popleft()]
        self._running.add(tasks[0])
        if self._sharing is None:
            return tasks
        others = len(self._queue) // self._limit
        room = self._sharing.seconds - tasks[0].seconds
        while len(tasks) <= others and self._queue[0].seconds <= room:
            if not self._fits(self._queue[0]):
                break
            tasks.append(self._queue.popleft())
            self._running.add(tasks[-1])
            room -= tasks[-1].seconds
        return tasks

    def _fits(self, task: Task[object]) -> bool:
        taken = sum(other.memory for other in self._running)
        return not self._running or taken + task.memory <= self._memory
