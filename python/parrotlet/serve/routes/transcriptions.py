"""POST /v1/audio/transcriptions."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from parrotlet.results import Transcription
from parrotlet.serve.errors import ApiError
from parrotlet.serve.models import LoadedModel
from parrotlet.serve.settings import Limits
from parrotlet.serve.state import ServerState
from parrotlet.serve.tasks import to_the_end, unasked
from parrotlet.serve.traffic import too_large
from parrotlet.serve.transcription.answers import answer, delta_event, done_event
from parrotlet.serve.transcription.fields import (
    MAX_PHRASES,
    Wanted,
    decoding_for,
    language_for,
    read_fields,
)
from parrotlet.serve.transcription.job import GivenUpError, Job

_log = logging.getLogger(__name__)

_MAX_FIELDS = MAX_PHRASES + 100
_MAX_FIELD_BYTES = 64 * 1024


class Transcriptions:
    """The endpoint: an application of its own, as it listens and sends by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its sender goes away before."""
        request = Request(scope, receive)
        server: ServerState = request.app.state.server
        with suppress(ClientDisconnect, GivenUpError):
            async with server.admission.enter(), _form(request, server.settings.limits) as form:
                work = _Work(server, read_fields(form), scope, receive, send)
                await _while_connected(receive, work.run)


class _Work:
    """A recording that has arrived, from the queue to the answer."""

    def __init__(
        self, server: ServerState, wanted: Wanted, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._server = server
        self._wanted = wanted
        self._model = server.models.name_of(wanted.model)  # an unknown name need not wait
        self._job = Job(wanted.file.file, wanted.name, server.settings.limits)
        self._scope, self._receive, self._send = scope, receive, send

    async def run(self) -> None:
        """Wait for the turn, recognise and answer. Cancelled, it ends once the thread has ended."""
        async with self._server.admission.turn(), self._server.models.borrow(self._model) as loaded:
            if self._wanted.stream:
                await self._answer_bit_by_bit(loaded)
                return
            response = answer(
                await self._recognised(loaded, lambda text: None), loaded.model, self._wanted
            )
        await response(self._scope, self._receive, self._send)

    async def _recognised(
        self, loaded: LoadedModel, settled: Callable[[str], None]
    ) -> Transcription:
        def work() -> Transcription:
            decoding = decoding_for(loaded.model, self._wanted.phrases, self._wanted.hints)
            language = language_for(loaded.model, self._wanted.language)
            return self._job.run(loaded.model, decoding, language, settled)

        working = asyncio.get_running_loop().run_in_executor(None, work)
        result = await to_the_end(working, self._job.give_up)
        self._server.metrics.audio_seconds.labels(self._model).inc(result.duration)
        notes = self._scope["state"]["notes"]
        notes.update(model=self._model, audio_seconds=round(result.duration, 3))
        return result

    async def _answer_bit_by_bit(self, loaded: LoadedModel) -> None:
        """Send text as server-sent events when it is settled, and the whole at the end."""
        loop = asyncio.get_running_loop()
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        events = _Events(self._send)

        def settled(text: str) -> None:
            loop.call_soon_threadsafe(texts.put_nowait, text)

        recognising = unasked(asyncio.create_task(self._recognised(loaded, settled)))
        recognising.add_done_callback(lambda _: texts.put_nowait(None))
        sent = 0
        try:
            while (text := await texts.get()) is not None:
                await events.send(delta_event(text))
                sent += len(text)
            result = await recognising
        except ApiError as error:
            if not events.begun:
                raise
            await events.send(error.to_dict())
            await events.end()
            return
        finally:
            recognising.cancel()
            await asyncio.wait([recognising])
        if len(result.text) > sent:
            await events.send(delta_event(result.text[sent:]))
        await events.send(done_event(result, loaded.model, self._wanted))
        await events.end()


class _Events:
    """A response of server-sent events; it begins with the first one."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, event: dict[str, Any]) -> None:
        if not self.begun:
            self.begun = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),  # a proxy shall not wait for more
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        data = f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def _form(request: Request, limits: Limits) -> AsyncIterator[FormData]:
    """Read the form of a request, and close its files in the end.

    A file goes to an unnamed temporary one, which is gone when it is closed, or the process ends,
    however that comes about. Raises ApiError for other bodies, and larger ones than may be.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError(400, "the body is no form; send one as multipart/form-data", param="file")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limits.max_upload_bytes:
        raise too_large(limits)
    try:
        form = await request.form(
            max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except FormParserError as error:
        raise ApiError(400, f"the body is no form that can be read ({error})") from error
    except OSError as error:
        _log.error("a recording cannot be kept in %s: %s", tempfile.gettempdir(), error)
        raise ApiError(507, "the server has no room for the recording; try again later") from error
    try:
        yield form
    finally:
        await form.close()


async def _while_connected(receive: Receive, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run something, and cancel it when the client goes away; it has ended in either case."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working = unasked(asyncio.create_task(run()))
    leaving = unasked(asyncio.create_task(gone()))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GivenUpError
        working.result()
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.wait([working, leaving])


routes = [Route("/v1/audio/transcriptions", Transcriptions(), methods=["POST"])]
