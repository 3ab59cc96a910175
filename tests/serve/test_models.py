"""Models are loaded for who needs them, once, and unloaded when nobody does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from parrotlet.serve.admission import Admission
from parrotlet.serve.errors import ApiError
from parrotlet.serve.models import ModelPool
from parrotlet.serve.settings import ServedModel, ServeSettings


def pool(**settings: object) -> ModelPool:
    models = (ServedModel("demo", "demo"), ServedModel("gone", "/missing.gguf"))
    return ModelPool(ServeSettings(models=models, threads=1, **settings))  # type: ignore[arg-type]


def test_several_share_one() -> None:
    async def borrow(models: ModelPool, name: str | None) -> tuple[object, object]:
        async with models.borrow(name) as loaded:
            assert models.loaded == ("demo",)
            return loaded.model, loaded.streams()

    async def main() -> None:
        models = pool()
        assert models.loaded == ()
        found = await asyncio.gather(*(borrow(models, name) for name in (None, "", "demo")))
        assert len(set(found)) == 1
        models.close()

    asyncio.run(main())


def test_an_idle_model_is_unloaded_and_a_borrowed_one_is_not() -> None:
    async def main() -> None:
        models = pool(idle_seconds=0.0)
        async with models.borrow() as first:
            models.unload_idle()
            assert models.loaded == ("demo",)
        models.unload_idle()
        assert models.loaded == ()
        async with models.borrow() as second:
            assert second is not first
            assert second.can_stream

    asyncio.run(main())


def test_scratch_is_released_of_those_in_memory(monkeypatch) -> None:
    async def main() -> None:
        models, released = pool(), []
        models.release_scratch()
        async with models.borrow() as loaded:
            monkeypatch.setattr(loaded.model, "release_scratch", lambda: released.append(1))
            models.release_scratch()
        assert released == [1]
        models.close()

    asyncio.run(main())


def test_who_stops_waiting_does_not_stop_the_loading() -> None:
    async def hold(models: ModelPool) -> None:
        async with models.borrow():
            pass

    async def main() -> None:
        models = pool()
        impatient = asyncio.create_task(hold(models))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await hold(models)
        assert models.loaded == ("demo",)

    asyncio.run(main())


@pytest.mark.parametrize(("name", "status"), [("other", 404), ("gone", 503)])
def test_what_cannot_be_lent(name: str, status: int) -> None:
    async def main() -> None:
        with pytest.raises(ApiError) as raised:
            async with pool().borrow(name):
                pass
        assert raised.value.status == status
        assert str(Path("/missing.gguf")) not in raised.value.message

    asyncio.run(main())


def test_those_who_wait_are_served_in_order_and_no_more_than_may() -> None:
    served = []

    async def work(admission: Admission, number: int) -> None:
        async with admission.slot():
            assert admission.running <= 2
            served.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        admission = Admission(2, 3)
        tasks = [asyncio.create_task(work(admission, n)) for n in range(7)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert served == [0, 1, 2, 3, 4]
        assert [type(error) for error in found[5:]] == [ApiError, ApiError]
        assert (admission.running, admission.waiting) == (0, 0)

    asyncio.run(main())
