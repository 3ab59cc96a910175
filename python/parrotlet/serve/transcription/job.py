"""The recognition of one recording, in a thread, which can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO, cast

from parrotlet.audio import Recording, check_seconds
from parrotlet.batch import Progress
from parrotlet.decoding.options import Decoding
from parrotlet.errors import AudioError, LengthError
from parrotlet.model import Model
from parrotlet.results import Transcription
from parrotlet.serve.errors import ApiError
from parrotlet.serve.settings import Limits


class GivenUpError(Exception):
    """Nobody waits for the result any more."""


class Job:
    """A recording that is recognised within limits.

    What can be looked at is looked at again and again: whenever the recording is read on, and
    whenever a window of it has been recognised.
    """

    def __init__(self, file: BinaryIO, name: str, limits: Limits) -> None:
        """`file` seeks; `name` is what messages call it."""
        self._source = cast(BinaryIO, _Source(file, name, self._check))
        self._name = name
        self._limits = limits
        self._given_up = threading.Event()
        self._end = time.monotonic() + limits.max_work_seconds

    def give_up(self) -> None:
        """Let `run` end soon; may be called from any thread."""
        self._given_up.set()

    def run(
        self,
        model: Model,
        decoding: Decoding,
        language: str | None,
        settled: Callable[[str], None],
    ) -> Transcription:
        """Recognise it; `settled` is called with text that will not change any more.

        Raises ApiError for a recording that cannot be used or goes beyond the limits, and
        GivenUpError.
        """
        try:
            return self._recognised(model, decoding, language, settled)
        except AudioError as error:
            self._check()  # which may be why the recording could not be read on
            code = "recording_too_long" if isinstance(error, LengthError) else "invalid_audio"
            raise ApiError(400, str(error), param="file", code=code) from error

    def _recognised(
        self,
        model: Model,
        decoding: Decoding,
        language: str | None,
        settled: Callable[[str], None],
    ) -> Transcription:
        def heard(progress: Progress) -> None:
            self._check()
            if progress.new_text:
                settled(progress.new_text)

        longest = self._limits.max_audio_seconds
        # A header that says so spares the work up to there; one that does not is not believed.
        check_seconds(Recording(self._source).seconds or 0.0, longest, self._name)
        outcomes = model.transcribe_batch(
            [self._source],
            max_seconds=longest,
            decoding=decoding,
            language=language,
            progress=heard,
        )
        with closing(outcomes):
            outcome = next(outcomes)
        if outcome.result is None:
            raise outcome.error or AudioError(f"{self._name}: cannot be transcribed")
        return outcome.result

    def _check(self) -> None:
        if self._given_up.is_set():
            raise GivenUpError
        if time.monotonic() > self._end:
            raise ApiError(
                400,
                f"{self._name}: takes longer than {self._limits.max_work_seconds:g} s; send it in "
                "parts",
                param="file",
                code="recording_takes_too_long",
            )


class _Source:
    """A file that is looked after while it is read."""

    def __init__(self, file: BinaryIO, name: str, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check
        self.name = name

    def read(self, count: int = -1) -> bytes:
        self._check()
        return self._file.read(count)

    def seek(self, position: int, whence: int = 0) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
