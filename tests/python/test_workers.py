"""Threads that work side by side."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from parrotlet.workers import SWITCH_SECONDS, Sharing, Task, Workers


def test_results_and_failures() -> None:
    with Workers(2, 100) as workers:
        good = workers.submit(Task(lambda: 7, 1, 1.0))
        bad = workers.submit(Task(lambda: 1 // 0, 1, 1.0))
        workers.wait(good)
        workers.wait(bad)
    assert good.result() == 7
    with pytest.raises(ZeroDivisionError):
        bad.result()


def test_tasks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3)
    with Workers(3, 100) as workers:
        futures = [workers.submit(Task(lambda: meeting.wait(30), 10, 1.0)) for _ in range(3)]
        for future in futures:
            workers.wait(future)
    assert sorted(future.result() for future in futures) == [0, 1, 2]


@pytest.mark.parametrize(("memory", "most"), [(100, 4), (59, 2), (25, 1), (5, 1)])
def test_memory_limits_how_many(memory: int, most: int) -> None:
    running, seen = 0, []
    lock = threading.Lock()
    enough = threading.Event()

    def work() -> None:
        nonlocal running
        with lock:
            running += 1
            seen.append(running)
            if running == most:
                enough.set()
        enough.wait(30)
        with lock:
            running -= 1

    with Workers(4, memory) as workers:
        futures = [workers.submit(Task(work, 25, 1.0)) for _ in range(8)]
        for future in futures:
            workers.wait(future)
            future.result()
    assert max(seen) == most


def test_room_is_for_as_many_as_keep_the_threads_busy() -> None:
    release = threading.Event()
    with Workers(2, 100) as workers:
        submitted = 0
        while workers.has_room:
            workers.submit(Task(lambda: release.wait(30), 10, 60.0))
            submitted += 1
            assert submitted < 50
        assert submitted >= 3
        release.set()
        workers.wait_for_room(None)
        assert workers.has_room


def test_short_tasks_that_wait_run_together() -> None:
    """As many as fit the seconds and the memory, and no more than leave the other threads some."""
    together: list[list[float]] = []
    release, started = threading.Event(), threading.Event()

    def work(tasks: Sequence[Task[float]]) -> list[float | BaseException]:
        together.append([task.seconds for task in tasks])
        return [task.seconds if task.seconds != 2.5 else ValueError("odd") for task in tasks]

    def first() -> float:
        started.set()
        release.wait(30)
        return 0.0

    lengths = [4.0, 3.0, 2.5, 1.0, 9.0, 12.0, 3.0, 3.0, 3.0, 3.0]
    with Workers(1, 25, Sharing(10.0, work)) as workers:
        workers.submit(Task(first, 10, 0.0))
        started.wait(30)
        futures = [workers.submit(Task(partial(float, n), 10, n)) for n in lengths]
        release.set()
        for future in futures:
            workers.wait(future)
    assert together == [[4.0, 3.0], [2.5, 1.0], [3.0, 3.0], [3.0, 3.0]]
    assert [f.result() for f in futures if not f.exception()] == [n for n in lengths if n != 2.5]
    with pytest.raises(ValueError, match="odd"):
        futures[2].result()


def test_no_thread_takes_what_others_could_run() -> None:
    meeting = threading.Barrier(3)
    meet = Task(lambda: meeting.wait(30), 1, 1.0)
    with Workers(3, 100, Sharing(60.0, lambda tasks: [task.work() for task in tasks])) as workers:
        futures = [workers.submit(Task(meet.work, 1, 1.0)) for _ in range(3)]
        for future in futures:
            workers.wait(future)
    assert sorted(future.result() for future in futures) == [0, 1, 2]


def test_leaving_forgets_what_waits() -> None:
    ran = []
    release = threading.Event()
    with pytest.raises(RuntimeError), Workers(1, 100) as workers:
        started = threading.Event()

        def work() -> None:
            started.set()
            release.wait(30)
            ran.append(1)

        for _ in range(3):
            workers.submit(Task(work, 10, 1.0))
        started.wait(30)
        threading.Timer(0.1, release.set).start()
        raise RuntimeError
    assert ran == [1]


def test_nothing_is_left_of_those_that_were_given_up() -> None:
    """As by a generator that is closed before its end: the server's, for every recording."""

    def results() -> Iterator[int]:
        with Workers(1, 100) as workers:
            future = workers.submit(Task(lambda: 7, 1, 1.0))
            left.append(weakref.ref(workers))
            workers.wait(future)
            yield future.result()

    left: list[weakref.ref[Workers]] = []
    given_up = results()
    assert next(given_up) == 7
    given_up.close()
    deadline = time.monotonic() + 60
    while left[0]() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert left[0]() is None


def test_threads_take_turns_more_often_while_there_are_workers() -> None:
    before = sys.getswitchinterval()
    with Workers(1, 100):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS, rel=0.1)
        with Workers(1, 100):
            pass
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS, rel=0.1)
    assert sys.getswitchinterval() == before
    with pytest.raises(KeyboardInterrupt), Workers(1, 100):
        raise KeyboardInterrupt
    assert sys.getswitchinterval() == before
