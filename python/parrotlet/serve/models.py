"""The models of a server: loaded when they are asked for, unloaded when nobody uses them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from parrotlet.errors import ParrotletError
from parrotlet.model import Model, load
from parrotlet.serve.errors import ApiError
from parrotlet.serve.settings import ServedModel, ServeSettings
from parrotlet.serve.tasks import unasked
from parrotlet.streams import GroupStats, StreamGroup

_log = logging.getLogger(__name__)


class LoadedModel:
    """A model in memory, and the group of its live streams."""

    def __init__(self, name: str, model: Model, max_streams: int | None) -> None:
        """`name` is the one that requests use."""
        self.name = name
        self.model = model
        self._max_streams = max_streams
        self._group: StreamGroup | None = None

    @property
    def can_stream(self) -> bool:
        """Whether `streams` can be: see `Model.streams`."""
        return self.model.can_stream and not self.model.chunk_sizes

    def streams(self) -> StreamGroup:
        """Return the one group of live streams of this model.

        Raises what `Model.streams` raises.
        """
        if self._group is None:
            self._group = self.model.streams(max_streams=self._max_streams)
        return self._group

    def stream_stats(self) -> GroupStats | None:
        """Return how the live streams are doing; None before the first one."""
        return None if self._group is None else self._group.stats()

    def close(self) -> None:
        """End the group."""
        if self._group is not None:
            self._group.close()


class _Place:
    """What the pool knows of a model that it may load."""

    def __init__(self, served: ServedModel) -> None:
        self.served = served
        self.loaded: LoadedModel | None = None
        self.loading: asyncio.Task[LoadedModel] | None = None
        self.users = 0
        self.last_used = 0.0


class ModelPool:
    """The models that a server was started with. A request can name no other."""

    def __init__(self, settings: ServeSettings) -> None:
        """Begin with none of them in memory."""
        self._settings = settings
        self._places = {model.name: _Place(model) for model in settings.models}
        self.created = int(time.time())
        """When the server began, in seconds since 1970: the time that the API gives of models."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that requests may use; the first is the default."""
        return tuple(self._places)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Those that are in memory."""
        return tuple(name for name, place in self._places.items() if place.loaded is not None)

    def name_of(self, name: str | None) -> str:
        """Return the model that a request means, the default without a name.

        Raises ApiError 404 for one that is not there.
        """
        if not name:
            return self.names[0]
        if name not in self._places:
            raise ApiError(
                404,
                f"the model {name!r:.100} is not here; there is {', '.join(self.names)}",
                param="model",
                code="model_not_found",
            )
        return name

    @asynccontextmanager
    async def borrow(self, name: str | None = None) -> AsyncIterator[LoadedModel]:
        """Give a model, which stays in memory meanwhile; it is loaded if it is not there.

        Raises ApiError: 404 for an unknown name, 503 for a model that cannot be loaded.
        """
        place = self._places[self.name_of(name)]
        place.users += 1
        try:
            yield await self._loaded(place)
        finally:
            place.users -= 1
            place.last_used = time.monotonic()

    async def _loaded(self, place: _Place) -> LoadedModel:
        """Return the model of a place; whoever stops waiting for it does not stop its loading."""
        if place.loaded is not None:
            return place.loaded
        if place.loading is None:
            place.loading = unasked(asyncio.create_task(self._load(place)))
        return await asyncio.shield(place.loading)

    async def _load(self, place: _Place) -> LoadedModel:
        name, source = place.served.name, place.served.source
        started = time.monotonic()
        try:
            model = await asyncio.to_thread(load, source, self._settings.threads)
            place.loaded = LoadedModel(name, model, self._settings.limits.max_streams)
        except (ParrotletError, ValueError) as error:
            _log.error("the model %s cannot be loaded: %s", name, error)
            raise ApiError(
                503,
                f"the model {name} cannot be loaded; the server's log says why",
                param="model",
                code="model_not_loaded",
            ) from error
        finally:
            place.loading = None
            place.last_used = time.monotonic()
        _log.info("loaded the model %s in %.2f s", name, time.monotonic() - started)
        return place.loaded

    def stream_stats(self, name: str) -> GroupStats | None:
        """Return how the live streams of a model are doing; None where there is no group."""
        loaded = self._places[name].loaded
        return None if loaded is None else loaded.stream_stats()

    def unload_idle(self) -> None:
        """Unload the models that nobody has used for `idle_seconds`."""
        idle = self._settings.idle_seconds
        for name, place in self._places.items():
            if place.loaded is None or place.users or idle is None:
                continue
            if time.monotonic() - place.last_used >= idle:
                place.loaded.close()
                place.loaded = None
                _log.info("unloaded the model %s, which nobody used for %.0f s", name, idle)

    def release_scratch(self) -> None:
        """Free the scratch memory of the models in memory that no call is using."""
        for place in self._places.values():
            if place.loaded is not None:
                place.loaded.model.release_scratch()

    async def keep_tidy(self) -> None:
        """Unload idle models, until cancelled."""
        idle = self._settings.idle_seconds
        while idle is not None:
            await asyncio.sleep(max(0.05, min(10.0, idle / 2)))
            self.unload_idle()

    def close(self) -> None:
        """Unload all."""
        for place in self._places.values():
            if place.loaded is not None:
                place.loaded.close()
                place.loaded = None
