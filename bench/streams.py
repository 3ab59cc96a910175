"""How many live streams a machine carries: a group of them, and streams in threads by themselves.

    python bench/streams.py [--preset NAME | --model MODEL.gguf] [--right-context 0 1 6 13]
    python bench/streams.py --right-context 0 --streams 32 --seconds 120 --arrival at-once
    python bench/streams.py --nemo-speech build/bin/libnemo_speech_asr_c.so THEIRS.gguf \
        --kinds group threads nemo-speech nemo-speech-together

Speech arrives at its own pace: every stream is fed a chunk when its last sample would have been
recorded, with the streams' chunks spread over the length of one, or all at once. A text is late by
the time from then until feed() returns. A number of streams is carried if 99 % of the texts are
there within a chunk's length. Without --streams, the most that are carried are searched for, in
runs of --search-seconds, and tried for --seconds at the end. On a machine that is shared, a number
that was late is tried again, --tries times in all: others may have been the cause.

Random weights of the preset's shapes decode at the pace of speech (`parrotlet/bench/pacing.py`). A
table says how late the texts were, in milliseconds, and how many chunks a step took.

With --nemo-speech, which takes the library of NVIDIA's NeMo-Speech.cpp (its CMake target is
nemo_speech_asr_c) and a model file that its converter wrote, its streams are fed the same sound:
each by itself, or together, as its own batching has it.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from peers.nemo_speech import NemoSpeech
from reporting import add_reporting_options, print_table, write_json

import parrotlet
from parrotlet import _core
from parrotlet.bench import preset_names
from parrotlet.bench.sound import speech_like
from parrotlet.bench.timed import TimedModel
from parrotlet.cli.console import at_least_one
from parrotlet.conversion import synthesize

DEFAULT_PRESET = "nemotron-speech-streaming-en-0.6b"
IN_TIME = 99  # per cent of the texts that have to be
LEAD = 1.0  # seconds from the start of the threads to the first samples
WARM_UP = 3.0  # seconds that do not count


@dataclass(frozen=True)
class Run:
    """What a number of streams did."""

    kind: str
    chunk_ms: int
    streams: int
    seconds: float
    arrival: str
    median_ms: float
    percentile_99_ms: float
    chunks_per_step: float

    @property
    def in_time(self) -> bool:
        """Whether the streams were carried."""
        return self.percentile_99_ms <= self.chunk_ms


class Live(Protocol):
    """A live stream."""

    @property
    def chunk_seconds(self) -> float:
        """Seconds of a chunk."""

    def feed(self, samples: NDArray[np.float32], /) -> object:
        """Take samples [n], and return what there is of text."""


@dataclass(frozen=True)
class Opened:
    """Streams, and what says how many chunks a step has taken."""

    streams: Sequence[Live]
    chunks_per_step: Callable[[], float] = lambda: 1.0


class Kind(Protocol):
    """A way to have streams."""

    def __call__(self, right: int, count: int) -> AbstractContextManager[Opened]:
        """Open `count` streams of a right context."""


@contextmanager
def in_a_group(model: TimedModel, right: int, count: int) -> Iterator[Opened]:
    """Streams of a group."""
    with model.streams(right, max_streams=count) as group:
        streams = [group.open() for _ in range(count)]
        yield Opened(streams, lambda: group.stats().chunks_per_step or 1.0)


@contextmanager
def in_threads(model: TimedModel, right: int, count: int) -> Iterator[Opened]:
    """Streams by themselves."""
    yield Opened([model.stream(right) for _ in range(count)])


@contextmanager
def of_nemo_speech(
    peer: NemoSpeech, together: bool, model: TimedModel, right: int, count: int
) -> Iterator[Opened]:
    """Streams of NeMo-Speech.cpp, with chunks of the same length."""
    with peer.streams(right, model.stream(right).chunk_seconds, count, together) as streams:
        yield Opened(streams)


def run(kind: str, opened: Opened, rate: int, seconds: float, arrival: str) -> Run:
    """Feed streams speech for so long."""
    streams, count = opened.streams, len(opened.streams)
    chunk = streams[0].chunk_seconds
    sound = speech_like(30 * rate, rate)
    late: list[list[float]] = [[] for _ in streams]
    begin = time.monotonic() + LEAD

    def feed(index: int) -> None:
        phase = 0.0 if arrival == "at-once" else chunk * index / count
        feed_paced(streams[index], sound, rate, begin + phase, seconds, late[index])

    threads = [threading.Thread(target=feed, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    milliseconds = 1e3 * np.concatenate(late)
    return Run(
        kind,
        round(1e3 * chunk),
        count,
        seconds,
        arrival,
        float(np.median(milliseconds)),
        float(np.percentile(milliseconds, IN_TIME)),
        opened.chunks_per_step(),
    )


def feed_paced(
    stream: Live,
    sound: NDArray[np.float32],
    rate: int,
    begin: float,
    seconds: float,
    late: list[float],
    warm_up: float = WARM_UP,
) -> None:
    """Feed chunks when they are due, and note how much later their texts are, after a warm-up."""
    size = round(stream.chunk_seconds * rate)
    for i in range(int(seconds / stream.chunk_seconds)):
        due = begin + (i + 1) * stream.chunk_seconds
        time.sleep(max(0.0, due - time.monotonic()))
        first = i * size % (len(sound) - size)
        stream.feed(sound[first : first + size])
        if i * stream.chunk_seconds >= warm_up:
            late.append(time.monotonic() - due)


def most(carried: Callable[[int], bool], guess: int) -> int:
    """Return the largest number that is carried, which a smaller one is, too; 0 for none."""
    low, high = 0, guess
    while carried(high):
        low, high = high, 2 * high
    while high - low > max(1, low // 40):
        middle = (low + high) // 2
        if carried(middle):
            low = middle
        else:
            high = middle
    return low


def measure(name: str, kind: Kind, rate: int, args: argparse.Namespace, right: int) -> Run | None:
    """Return the run of --streams, or of the most that are carried."""

    def tried(count: int, seconds: float) -> Run:
        for _ in range(args.tries):
            with kind(right, count) as opened:
                found = run(name, opened, rate, seconds, args.arrival)
            if found.in_time:
                break
        return found

    if args.streams:
        return tried(args.streams, args.seconds)
    guess = 16 if name == "group" else 4
    count = most(lambda count: tried(count, args.search_seconds).in_time, guess)
    while count:
        found = tried(count, args.seconds)
        if found.in_time:
            return found
        count -= max(1, count // 20)
    return None


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what `paced_model` takes."""
    parser.add_argument("--preset", choices=sorted(preset_names()), default=DEFAULT_PRESET)
    parser.add_argument("--model", type=Path, help="measure this file instead")
    parser.add_argument("--type", default="q8_0", choices=_core.types())
    parser.add_argument("--threads", type=int, default=2)


@contextmanager
def paced_model(args: argparse.Namespace) -> Iterator[TimedModel]:
    """Load the model that the command line asks for, and say on what it runs."""
    with tempfile.TemporaryDirectory() as directory:
        path = args.model or synthesize(args.preset, Path(directory) / "model.gguf", args.type)
        model = TimedModel(path, args.threads, paced=True)
        print(f"parrotlet {parrotlet.__version__}, {model.isa}, {args.threads} threads\n")
        yield model


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--right-context", type=int, nargs="+", default=[0, 1, 6, 13])
    parser.add_argument("--streams", type=int, help="try this number of them alone")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("group", "threads", "nemo-speech", "nemo-speech-together"),
        default=["group"],
    )
    parser.add_argument("--nemo-speech", type=Path, nargs=2, metavar=("LIBRARY", "MODEL"))
    parser.add_argument("--arrival", choices=("spread", "at-once"), default="spread")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--search-seconds", type=float, default=15.0)
    parser.add_argument("--tries", type=at_least_one, default=1, help="of a number")
    add_reporting_options(parser)
    args = parser.parse_args()
    if args.nemo_speech is None and (theirs := set(args.kinds) - {"group", "threads"}):
        parser.error(f"{', '.join(sorted(theirs))}: needs --nemo-speech")
    with paced_model(args) as model:
        kinds: dict[str, Kind] = {
            "group": partial(in_a_group, model),
            "threads": partial(in_threads, model),
        }
        if args.nemo_speech:
            peer = NemoSpeech.load(*args.nemo_speech)
            kinds["nemo-speech"] = partial(of_nemo_speech, peer, False, model)
            kinds["nemo-speech-together"] = partial(of_nemo_speech, peer, True, model)
        runs = [
            found
            for right in args.right_context
            for name in args.kinds
            if (found := measure(name, kinds[name], model.sample_rate, args, right)) is not None
        ]
    header = ("streams in", "chunk, ms", "streams", "median", "99 %", "chunks a step", "in time")
    rows = [
        (
            r.kind,
            str(r.chunk_ms),
            str(r.streams),
            f"{r.median_ms:.0f}",
            f"{r.percentile_99_ms:.0f}",
            f"{r.chunks_per_step:.1f}",
            "yes" if r.in_time else "no",
        )
        for r in runs
    ]
    print_table(header, rows, args.markdown)
    write_json(args.json, runs)


if __name__ == "__main__":
    main()
