"""Work whose client is gone ends quietly, and what it raises is nobody's."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable

import pytest

from parrotlet.serve.tasks import to_the_end, unasked


def complaints(main: Callable[[], Awaitable[None]]) -> list[str]:
    """Run something; return what asyncio would log of it."""
    found: list[str] = []

    async def watched() -> None:
        handler = lambda _, context: found.append(context["message"])  # noqa: E731
        asyncio.get_running_loop().set_exception_handler(handler)
        await main()
        gc.collect()

    asyncio.run(watched())
    gc.collect()
    return found


async def fail() -> None:
    raise OSError("of nobody")


def test_what_nobody_asks_for_is_not_logged() -> None:
    async def main(mark: Callable[[asyncio.Task[None]], object]) -> None:
        task = asyncio.create_task(fail())
        mark(task)
        await asyncio.wait([task])

    assert complaints(lambda: main(id)) == ["Task exception was never retrieved"]
    assert complaints(lambda: main(unasked)) == []


def test_who_asks_gets_it() -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="of nobody"):
            await unasked(asyncio.create_task(fail()))

    assert complaints(main) == []


@pytest.mark.parametrize("times", (1, 2))
def test_a_thread_is_waited_for_once_its_client_is_gone(times) -> None:
    """Also where who waits is cancelled again."""
    given_up, ended = threading.Event(), threading.Event()

    def work() -> None:
        given_up.wait(10)
        ended.set()
        raise OSError("of nobody")

    async def main() -> None:
        future = asyncio.get_running_loop().run_in_executor(None, work)
        task = asyncio.create_task(to_the_end(future, lambda: times == 1 and given_up.set()))
        for _ in range(times):
            await asyncio.sleep(0.01)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set() == (times == 1)
        given_up.set()
        await asyncio.wait([future])

    assert complaints(main) == []
