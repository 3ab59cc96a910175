"""Transcribing a signal while it arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from parrotlet.decoding.emission import Emission, Found
from parrotlet.decoding.languages import Languages
from parrotlet.decoding.partial import Event, Partial
from parrotlet.decoding.transcript import Transcript
from parrotlet.prompting import Prompting, find_prompting
from parrotlet.results import Transcription
from parrotlet.samples import check_samples

__all__ = ["Event", "Partial", "Stream"]

BLOCK_SAMPLES = 16_000
"""Samples that are encoded at a time, however many are fed, so that memory stays bounded."""

Row = tuple[int, int, int | None, float]
"""The fields of an Emission."""


class Encoder(Protocol):
    """Samples [n] in, the encoder frames [frames, d_model] out that they complete."""

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next samples."""

    def finish(self) -> NDArray[np.float32]:
        """Return the last frames."""

    def set_prompt(self, prompt: int) -> None:
        """Give the frames that come from now on another prompt."""

    def revise(self) -> NDArray[np.float32]:
        """Of a preview that is finished, return the next frames as they are, from the first; then
        none."""


class Search(Protocol):
    """Encoder frames [frames, d_model] in, tokens out."""

    def feed(self, encoded: NDArray[np.float32]) -> tuple[Sequence[Row], Sequence[Row]]:
        """Take the next frames; return the tokens that are settled by now and were not before, and
        those after all settled ones as things stand."""

    def finish(self) -> Sequence[Row]:
        """Return the tokens that are settled because nothing follows."""

    def alternatives(self) -> Sequence[tuple[Sequence[Row], float]]:
        """Of a finished beam, return each text's tokens after those that `feed` settled, and its
        score, the best first."""


@dataclass(frozen=True, eq=False)
class Piece:
    """The next samples [n] of a live recording, or None for its end: what nothing follows."""

    encoder: Encoder
    search: Search
    samples: NDArray[np.float32] | None


class Taken(NamedTuple):
    """What a piece has led to: encoder frames, and what `Search.feed` gave for them."""

    frames: int
    settled: Sequence[Row]
    tentative: Sequence[Row]


def take_alone(piece: Piece) -> Taken:
    """Run a piece through the encoder and the search."""
    encoder, samples = piece.encoder, piece.samples
    encoded = encoder.finish() if samples is None else encoder.feed(samples)
    return Taken(len(encoded), *piece.search.feed(encoded)) if len(encoded) else Taken(0, (), ())


_Result = TypeVar("_Result")

Work = Generator[Piece, Taken, _Result]
"""Yields pieces, is sent what they have led to, and returns a result."""


@dataclass(frozen=True, slots=True)
class Told:
    """The language that a model is told now, those that it was told so far, and `find`, which finds
    another by its name or raises ValueError."""

    prompting: Prompting = field(default_factory=Prompting)
    languages: Languages = field(default_factory=Languages)
    find: Callable[[str | None], Prompting] = lambda name: find_prompting(name, None, "the model")

    def then(self, frame: int, language: str | None) -> Told:
        """The same, with another language from an encoder frame on; raises ValueError."""
        prompting = self.find(language)
        return Told(prompting, self.languages.then(frame, prompting.language), self.find)


class Stream:
    """One live recording; `Model.stream` makes it.

    The encoder runs in NeMo's chunks: the first yields 1 + `right_context` frames, each later one
    as many, and nothing is computed twice. What `feed` returns does not depend on how the samples
    are divided between calls, except that it is brought up to date once per chunk. Memory grows by
    the compact record of what was said, less than 1 MB for an hour of speech.

    Where the model itself marks the end of an utterance ("<EOU>", "<EOB>"), an event is reported
    and the text goes on as a new utterance. Nothing is reset, as in NeMo's cache-aware streaming:
    such models are trained on utterances that follow each other. For a new speaker, start a new
    stream.

    A recurrent model needs no chunks: every frame is computed when its samples are there. If its
    features are normalised over the whole recording, that can only be done at its end. Until then
    the stream is a preview, with what has been heard so far in place of the whole: its text is all
    `unfinished`, and starts after a second. `finish` then recognises the recording as `transcribe`
    does, and makes it final; for that the features are kept, 32 kB a second for 80 bands at 10 ms.

    Buffered streaming is for models that attend to all of what they are given: for every chunk of
    `chunk_size` frames, a window of sound goes through features and encoder anew, with a left and a
    right context around the chunk, and the search goes on with the chunk's frames. A word waits for
    chunk and right context. What is kept beside the text is of the size of a window.

    A model that is told a language can be told another one at any time, best between utterances:
    see `language`.

    Any number of streams may run on one model, each in one thread at a time.

    Source: NeMo `CacheAwareStreamingAudioBuffer` and `ASRModuleMixin.conformer_stream_step`;
    buffered: `StreamingBatchedAudioBuffer` and `speech_to_text_streaming_infer_rnnt.py`.
    """

    def __init__(
        self,
        encoder: Encoder,
        search: Search,
        transcript: Transcript,
        finished: Callable[[Found, float, Languages], Transcription],
        *,
        sample_rate: int,
        frame_seconds: float,
        right_context: int,
        chunk_size: int,
        told: Told | None = None,
        restart: Callable[[], tuple[Search, Transcript]] | None = None,
    ) -> None:
        """Start; `finished` makes the result of what was found, the seconds that were fed, and the
        languages that the model was told.

        `told` is the language at the start, if the model is told one.
        `restart`, which makes another search and an empty transcript, says that what the encoder
        gives is a preview until it has finished.
        """
        self._encoder: Encoder | None = encoder
        self._search = search
        self._transcript = transcript
        self._restart = restart
        self._finished = finished
        self._sample_rate = sample_rate
        self._frame_seconds = frame_seconds
        self._right_context = right_context
        self._chunk_size = chunk_size
        self._told = told or Told()
        self._samples = 0
        self._frames = 0
        self._partial = transcript.partial(0.0)
        self._lock = threading.Lock()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: raises TypeError."""
        raise TypeError(
            "a stream cannot be pickled or copied; pass the model and start one with model.stream()"
        )

    @property
    def right_context(self) -> int:
        """Frames that the encoder looks ahead: within a chunk, or of a buffered stream after it."""
        return self._right_context

    @property
    def chunk_size(self) -> int:
        """Encoder frames of a chunk."""
        return self._chunk_size

    @property
    def chunk_seconds(self) -> float:
        """Seconds of samples that make a chunk: how often the text can change."""
        return self._chunk_size * self._frame_seconds

    @property
    def is_preview(self) -> bool:
        """Whether the text may change until `finish`."""
        return self._restart is not None

    @property
    def language(self) -> str | None:
        """The language that the model is told, such as "de-DE", or "auto" where it is to find out;
        None for a model that is told none.

        Another one, of `Model.languages`, holds from the next chunk on. Nothing else changes: what
        was said before stays, and decoding goes on from it. Setting it raises ValueError for a
        language that the model does not have, and after `finish`.

        Source: NeMo `PromptStreamingMixin.set_inference_prompt`.
        """
        return self._told.prompting.name

    @language.setter
    def language(self, language: str | None) -> None:
        with self._exclusive():
            encoder = self._running()
            self._told = self._told.then(self._frames, language)
            encoder.set_prompt(self._told.prompting.index)

    @property
    def partial(self) -> Partial:
        """What `feed` returned last; after `finish`, what that added to it, all of it final."""
        return self._partial

    def feed(self, samples: ArrayLike) -> Partial:
        """Take the next samples [n], n from 0, and return what has been recognised so far.

        The samples are those of `Model.transcribe`: mono at the model's `sample_rate`, float in
        [-1, 1] or int16.

        Raises AudioError for a sample that is not a finite number and ValueError for another
        type or shape, in which case none of the samples is taken and the stream can go on; and
        ValueError after `finish`.
        """
        return self._run(self._feeding(samples))

    def finish(self) -> Transcription:
        """Recognise what is left, and return the transcription of the whole stream.

        Its `audio` is None. Raises ValueError when called again.
        """
        return self._run(self._finishing())

    def _run(self, work: Work[_Result]) -> _Result:
        """Do what the pieces of `work` ask for, one after the other."""
        try:
            piece = next(work)
            while True:
                piece = work.send(take_alone(piece))
        except StopIteration as ended:
            return cast(_Result, ended.value)

    def _feeding(self, samples: ArrayLike) -> Work[Partial]:
        with self._exclusive():
            encoder = self._running()
            array = check_samples(samples, "samples", start=self._samples, allow_empty=True)
            for start in range(0, len(array), self._block):
                block = array[start : start + self._block]
                self._take((yield Piece(encoder, self._search, block)))
                self._samples += len(block)
            return self._report()

    def _finishing(self) -> Work[Transcription]:
        with self._exclusive():
            encoder = self._running()
            # What the encoder holds is not needed any more, and freed.
            self._encoder = None
            self._take((yield Piece(encoder, self._search, None)))
            if self._restart is not None:
                self._search, self._transcript = self._restart()
                self._revise(encoder)
            rest = emissions(self._search.finish())
            self._transcript.extend(rest)
            self._transcript.close(self._samples / self._sample_rate)
            self._report()
            tokens = list(self._transcript.emissions())
            settled = tokens[: len(tokens) - len(rest)]
            others = [
                ([*settled, *emissions(rows)], score) for rows, score in self._search.alternatives()
            ]
            duration = self._samples / self._sample_rate
            return self._finished(Found(tokens, others), duration, self._told.languages)

    def _take(self, taken: Taken) -> None:
        if taken.frames:
            self._frames += taken.frames
            self._transcript.extend(emissions(taken.settled), emissions(taken.tentative))

    def _revise(self, encoder: Encoder) -> None:
        """Take everything anew, as it is."""
        self._restart = None
        self._frames = 0
        while len(encoded := encoder.revise()):
            self._take(Taken(len(encoded), *self._search.feed(encoded)))

    @property
    def _block(self) -> int:
        """Samples that make a piece, at most."""
        return BLOCK_SAMPLES

    def _report(self) -> Partial:
        seconds = round(self._frames * self._frame_seconds, 6)
        partial = self._transcript.partial(seconds, self._told.prompting.language)
        self._partial = partial.preview() if self.is_preview else partial
        return self._partial

    def _running(self) -> Encoder:
        if self._encoder is None:
            raise ValueError("the stream is finished; start another one with model.stream()")
        return self._encoder

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Refuse a second thread: the order of the samples would be a matter of chance."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                "the stream is in use by another thread; give each recording a stream of its own"
            )
        try:
            yield
        finally:
            self._lock.release()


def emissions(rows: Sequence[Row]) -> list[Emission]:
    """Return the tokens that a search has given."""
    return [Emission(*row) for row in rows]
