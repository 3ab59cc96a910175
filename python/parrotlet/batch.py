"""Recognising recordings one after the other, and their windows side by side.

Recordings are read in order, a few windows ahead of those that are being recognised. Windows of one
recording, or of several, are recognised at the same time. Each has one thread while there are as
many windows as threads; with fewer windows, idle threads help. Results come in the order of the
recordings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from parrotlet.audio import Track, arrives
from parrotlet.channels import join_channels
from parrotlet.decoding.assemble import Parts
from parrotlet.decoding.emission import Found
from parrotlet.errors import AudioError, ParrotletError
from parrotlet.inputs import Audio, Opened, Reading, is_file, name_of, path_of
from parrotlet.longform.assembly import Assembler
from parrotlet.longform.cutting import Cutter, Window
from parrotlet.longform.limits import Limits
from parrotlet.longform.rumble import without_rumble
from parrotlet.results import Transcription
from parrotlet.samples import Samples
from parrotlet.workers import Sharing, Task, Workers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording of a batch: a result, or the error that prevented it.

    `audio` is the path of the recording. For samples it is the place in the batch, such as
    "recordings[3]". `tracks` are the sound tracks of the recording, `track` is the one that was
    transcribed.
    """

    audio: str
    result: Transcription | None
    error: ParrotletError | None = None
    tracks: tuple[Track, ...] = ()
    track: Track | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come.

    `finished` counts the recordings that are done, `seconds` the sound that has been recognised in
    all. `audio` is the first recording that is not done: `done` seconds of it have been recognised,
    and it is `duration` seconds long, None if its header does not say. `new_text` is what has been
    added to its text since the call before, and will not change any more; none of channels apart.
    """

    finished: int
    seconds: float
    audio: str
    done: float
    duration: float | None
    new_text: str = ""


@dataclass(frozen=True)
class Recogniser:
    """What a batch needs of a model, for one head and attention context."""

    recognise: Callable[[Sequence[Samples]], Sequence[Found]]
    check_length: Callable[[Samples, str], None]
    start: Callable[[], Assembler]
    finish: Callable[[Parts, float, str | None, Found], Transcription]
    window_bytes: Callable[[int], int]
    sample_rate: int
    threads: int
    limits: Limits

    def recognise_window(self, window: Window, samples: Samples, name: str) -> Found:
        """Return what is found in a window; raises AudioError where it cannot be recognised."""
        try:
            return self.recognise([self.prepared(window, samples, name)])[0]
        except MemoryError as error:
            raise AudioError(
                f"{name}: there is not enough memory for {len(samples) / self.sample_rate:.0f} s "
                "at once; set a lower max_memory"
            ) from error

    def prepared(self, window: Window, samples: Samples, name: str) -> Samples:
        """Return the samples that are recognised for a window.

        Raises AudioError for a recording that is too short.
        """
        if not window.whole:
            return without_rumble(samples, self.sample_rate)
        self.check_length(samples, name)
        return samples

    def workers(self) -> Workers:
        """Return threads for windows of any number of recordings."""
        sharing = Sharing(self.limits.together / self.sample_rate, _recognise_together)
        return Workers(self.threads, self.limits.memory, sharing)


class _WindowTask(Task[Found]):
    """The recognition of one window."""

    def __init__(self, recogniser: Recogniser, window: Window, samples: Samples, name: str) -> None:
        super().__init__(
            partial(recogniser.recognise_window, window, samples, name),
            recogniser.window_bytes(len(samples)),
            len(samples) / recogniser.sample_rate,
        )
        self.recogniser = recogniser
        self.prepared = partial(recogniser.prepared, window, samples, name)


def _recognise_together(tasks: Sequence[_WindowTask]) -> Sequence[Found | BaseException]:
    """Recognise windows of one recogniser; gives what is found in each, or the error it raised."""
    try:
        return tasks[0].recogniser.recognise([task.prepared() for task in tasks])
    except Exception:  # of one of them, which says so when it is alone
        return [_outcome(task.work) for task in tasks]


def _outcome(work: Callable[[], Found]) -> Found | BaseException:
    try:
        return work()
    except BaseException as error:
        return error


def transcribe_one(recogniser: Recogniser, audio: Audio, reading: Reading) -> Transcription:
    """Recognise one recording: a mixture of its channels, one of them, or each by itself."""
    recording = reading.open(audio)
    channels = [_recognised(recogniser, recording, c) for c in reading.channels_of(recording)]
    return _transcription(recording, channels, reading.split_channels)


def _recognised(recogniser: Recogniser, recording: Opened, number: int | None) -> _Channel:
    """Recognise one channel; if it fits one pass, in the calling thread."""
    channel = _Channel(recogniser, recording, number, recording.name)
    windows = channel.windows()
    first = next(windows, None)
    if first is not None and first[0].whole:
        channel.add(first[0], recogniser.recognise_window(*first, channel.name))
        return channel
    with recogniser.workers() as workers:
        for window, samples in chain([] if first is None else [first], windows):
            channel.submit(workers, window, channel.task(window, samples))
            while not workers.has_room:
                workers.wait_for_room(channel.next_future)
                channel.collect()
        while channel.next_future is not None:
            workers.wait(channel.next_future)
            channel.collect()
    return channel


def _transcription(recording: Opened, channels: Sequence[_Channel], split: bool) -> Transcription:
    """Return the result of a recording whose channels have been recognised; see `join_channels`."""
    results = [channel.finish(path_of(recording)) for channel in channels]
    result = join_channels(results) if split else results[0]
    return replace(result, warnings=(*recording.warnings, *result.warnings))


def transcribe_batch(
    recogniser: Recogniser,
    recordings: Iterable[Audio],
    reading: Reading,
    progress: Callable[[Progress], None] | None = None,
) -> Generator[Outcome, None, None]:
    """Recognise recordings; give the outcome of each in their order."""
    with recogniser.workers() as workers:
        batch = _Batch(reading, progress)
        for i, audio in enumerate(recordings):
            item = batch.start(name_of(audio, f"recordings[{i}]"))
            if item.waits_for(audio):
                yield from batch.drain(workers)
            for channel, window, task in item.windows(recogniser, audio):
                channel.submit(workers, window, task)
                yield from batch.collect()
                while not workers.has_room:
                    workers.wait_for_room(batch.next_future)
                    yield from batch.collect()
            yield from batch.collect()
        yield from batch.drain(workers)


class _Channel:
    """One channel of a recording, or their mixture: its windows, and what they say."""

    def __init__(
        self, recogniser: Recogniser, recording: Opened, number: int | None, name: str
    ) -> None:
        self.name = name
        self._recogniser = recogniser
        blocks = recording.blocks(recogniser.sample_rate, number)
        self._cutter = Cutter(blocks, recogniser.limits, lambda: recording.joins)
        self._assembler = recogniser.start()
        self._pending: deque[tuple[Window, Future[Found]]] = deque()
        self._whole = Found()  # in a recording that is one window
        self.done = 0.0  # seconds

    def windows(self) -> Iterator[tuple[Window, Samples]]:
        return self._cutter.windows()

    def task(self, window: Window, samples: Samples) -> Task[Found]:
        return _WindowTask(self._recogniser, window, samples, self.name)

    def submit(self, workers: Workers, window: Window, task: Task[Found]) -> None:
        self._pending.append((window, workers.submit(task)))

    @property
    def next_future(self) -> Future[Found] | None:
        """The first window that has not been collected."""
        return self._pending[0][1] if self._pending else None

    def collect(self) -> None:
        """Take the results that are there, in order; raises AudioError for a window that failed."""
        while self._pending and self._pending[0][1].done():
            window, future = self._pending.popleft()
            self.add(window, future.result())

    def add(self, window: Window, found: Found) -> None:
        self._assembler.add(window, found.tokens)
        if window.whole:
            self._whole = found
        self.done = window.end / self._recogniser.sample_rate

    def new_text(self) -> str:
        return self._assembler.new_text()

    def cancel(self) -> None:
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()

    def finish(self, name: str | None) -> Transcription:
        seconds = self._cutter.length / self._recogniser.sample_rate
        return self._recogniser.finish(self._assembler.finish(), seconds, name, self._whole)


class _Item:
    """One recording of a batch, and its channels that are transcribed."""

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self._reading = reading
        self.read = False
        """Whether all of it has been read."""
        self.seconds: float | None = None
        self._channels: list[_Channel] = []
        self._error: ParrotletError | None = None
        self._recording: Opened | None = None

    def waits_for(self, audio: Audio) -> bool:
        """Whether reading may have to wait, as for what arrives through a pipe."""
        try:
            return is_file(audio) and arrives(audio)  # type: ignore[arg-type]
        except Exception:  # found again when it is read
            return False

    def windows(
        self, recogniser: Recogniser, audio: Audio
    ) -> Iterator[tuple[_Channel, Window, Task[Found]]]:
        """Read the recording, once for each channel, until its end or a failure."""
        try:
            recording = self._recording = self._reading.open(audio, self.name)
            numbers = self._reading.channels_of(recording)
            if recording.seconds is not None:
                self.seconds = recording.seconds * len(numbers)
            for number in numbers:
                channel = _Channel(recogniser, recording, number, self.name)
                self._channels.append(channel)
                for window, samples in channel.windows():
                    if self._error is not None:
                        return
                    yield channel, window, channel.task(window, samples)
        except Exception as error:  # whatever it is, the others go on
            self.fail(error)
        finally:
            self.read = True

    @property
    def done(self) -> float:
        """Seconds recognised, of all channels that are transcribed."""
        return sum(channel.done for channel in self._channels)

    def new_text(self) -> str:
        """What the only channel has settled since the last call."""
        return self._channels[0].new_text() if len(self._channels) == 1 else ""

    @property
    def next_future(self) -> Future[Found] | None:
        return next((c.next_future for c in self._channels if c.next_future is not None), None)

    @property
    def complete(self) -> bool:
        return self.read and self.next_future is None

    def collect(self) -> None:
        try:
            for channel in self._channels:
                channel.collect()
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Give up; the first reason counts."""
        self._error = self._error or _named(error, self.name)
        for channel in self._channels:
            channel.cancel()

    def outcome(self) -> Outcome:
        result = None
        recording = self._recording
        try:
            if self._error is None and recording is not None:
                result = _transcription(recording, self._channels, self._reading.split_channels)
        except Exception as error:
            self.fail(error)
        if recording is None:
            return Outcome(self.name, result, self._error)
        return Outcome(self.name, result, self._error, recording.tracks, recording.track)


def _named(error: Exception, name: str) -> ParrotletError:
    """Return an error that says which recording it is about, with `error` as its cause."""
    if isinstance(error, ParrotletError):
        return error
    message = str(error)
    if not message.startswith(name):
        message = f"{name}: cannot be transcribed ({type(error).__name__}: {message})"
    found = AudioError(message)
    found.__cause__ = error
    return found


class _Batch:
    """The recordings that are being read or recognised, in order."""

    def __init__(self, reading: Reading, progress: Callable[[Progress], None] | None) -> None:
        self._reading = reading
        self._items: deque[_Item] = deque()
        self._progress = progress
        self._finished = 0
        self._seconds = 0.0  # of finished recordings
        self._reported = -1.0

    def start(self, name: str) -> _Item:
        item = _Item(name, self._reading)
        self._items.append(item)
        return item

    @property
    def next_future(self) -> Future[Found] | None:
        return self._items[0].next_future if self._items else None

    def collect(self) -> Iterator[Outcome]:
        """Take the results of windows; give the outcomes of recordings that are complete."""
        for item in self._items:
            item.collect()
        self._report()
        while self._items and self._items[0].complete:
            item = self._items.popleft()
            self._finished += 1
            self._seconds += item.done
            yield item.outcome()
            self._report()

    def drain(self, workers: Workers) -> Iterator[Outcome]:
        """Wait for all recordings that have been started; give their outcomes."""
        while (future := self.next_future) is not None:
            workers.wait(future)
            yield from self.collect()

    def _report(self) -> None:
        """Say how far things are, if that has changed."""
        seconds = self._seconds + sum(item.done for item in self._items)
        if self._progress is None or not self._items or seconds == self._reported:
            return
        self._reported = seconds
        head = self._items[0]
        self._progress(
            Progress(self._finished, seconds, head.name, head.done, head.seconds, head.new_text())
        )
