"""Live streams that come and go for an hour: what the process holds, and which texts were late.

    python bench/soak.py [--preset NAME | --model MODEL.gguf] [--minutes 60] [--streams 8]

So many places are taken by one stream after the other. Each is fed speech at its own pace for a
drawn time, and is then finished, closed, or left to be collected. Streams have the model's right
contexts in turn, or those of --right-context. A text is late if it is there more than a chunk's
length after the chunk's last sample, and a stream if more than 1 % of its texts are. Every minute
prints resident memory, the streams that ended, the texts, those that were late, and how long after
their samples texts were there, in milliseconds. At the end there are streams and texts, and how
many of each were late, by the length of chunks.

Exits with 1 if a text was late, or if memory grew by more than --most-growth MB after minute
--settled.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from streams import IN_TIME, add_model_options, feed_paced, paced_model

import parrotlet
from parrotlet.bench.sound import speech_like
from parrotlet.bench.timed import TimedModel

PAGE = 4096
LONGEST_PAUSE = 2.0  # seconds that a place stays empty


@dataclass(frozen=True)
class Ended:
    """A stream that has ended: seconds of a chunk, and how many after its samples texts came."""

    chunk: float
    behind: list[float]

    @property
    def late_texts(self) -> int:
        """How many came more than a chunk's length after."""
        return sum(seconds > self.chunk for seconds in self.behind)

    @property
    def late(self) -> bool:
        """Whether the stream was."""
        return self.late_texts > (1 - IN_TIME / 100) * len(self.behind)


@dataclass(frozen=True)
class Soak:
    """A group whose places are filled again and again until `end`."""

    group: parrotlet.StreamGroup
    right_contexts: tuple[int, ...]
    sound: NDArray[np.float32]
    sample_rate: int
    seconds: tuple[float, float]
    end: float
    ended: SimpleQueue[Ended] = field(default_factory=SimpleQueue)

    def fill(self, place: int) -> None:
        """Run one stream after the other in a place."""
        source = random.Random(place)
        time.sleep(source.uniform(0, LONGEST_PAUSE))
        for number in range(place, sys.maxsize):
            if time.monotonic() >= self.end:
                return
            self.run(number, source)
            time.sleep(source.uniform(0, LONGEST_PAUSE))

    def run(self, number: int, source: random.Random) -> None:
        """Run one stream."""
        stream = self.group.open(self.right_contexts[number % len(self.right_contexts)])
        behind: list[float] = []
        seconds = min(source.uniform(*self.seconds), max(0.0, self.end - time.monotonic()))
        feed_paced(
            stream, self.sound, self.sample_rate, time.monotonic(), seconds, behind, warm_up=0.0
        )
        if number % 3 == 0:
            stream.finish()
        elif number % 3 == 1:
            stream.close()
        self.ended.put(Ended(stream.chunk_seconds, behind))

    def take(self) -> list[Ended]:
        """Return the streams that have ended since the last call."""
        return [self.ended.get() for _ in range(self.ended.qsize())]


def resident_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def report(minute: int, memory: float, streams: list[Ended]) -> None:
    """Print what a minute had."""
    behind = [seconds for stream in streams for seconds in stream.behind]
    median, most = np.percentile(behind, (50, 99)) * 1e3 if behind else (0.0, 0.0)
    late = sum(stream.late_texts for stream in streams)
    print(
        f"{minute:6d} {memory:9.1f} {len(streams):8d} {len(behind):8d} {late:6d} "
        f"{median:8.0f} {most:8.0f}",
        flush=True,
    )


@dataclass
class Total:
    """What all streams of a chunk length have done: numbers alone, which take no more memory in the
    last minute than in the first."""

    streams: int = 0
    late: int = 0
    texts: int = 0
    late_texts: int = 0

    def add(self, stream: Ended) -> None:
        """Count one."""
        self.streams += 1
        self.late += stream.late
        self.texts += len(stream.behind)
        self.late_texts += stream.late_texts


def soak(model: TimedModel, args: argparse.Namespace) -> bool:
    """Run for --minutes; return whether nothing grew and no text was late."""
    begin = time.monotonic()
    minutes = args.minutes
    with model.streams(max_streams=args.streams) as group:
        run = Soak(
            group,
            tuple(args.right_context or model.right_contexts),
            speech_like(30 * model.sample_rate, model.sample_rate),
            model.sample_rate,
            (args.shortest, args.longest),
            begin + 60 * minutes,
        )
        places = [threading.Thread(target=run.fill, args=(i,)) for i in range(args.streams)]
        for place in places:
            place.start()
        print("minute        MB  streams    texts   late   median     99 %")
        memory: list[float] = []
        totals: dict[float, Total] = defaultdict(Total)
        for minute in range(1, minutes + 1):
            time.sleep(max(0.0, begin + 60 * minute - time.monotonic()))
            memory.append(resident_mb())
            report(minute, memory[-1], ended := run.take())
            for stream in ended:
                totals[stream.chunk].add(stream)
        for place in places:
            place.join()
        for stream in run.take():
            totals[stream.chunk].add(stream)
    print("\nchunk, ms  streams   late    texts   late")
    for chunk, total in sorted(totals.items()):
        print(
            f"{1e3 * chunk:9.0f} {total.streams:8d} {total.late:6d} {total.texts:8d} "
            f"{total.late_texts:6d}"
        )
    settled = min(args.settled, minutes) - 1
    growth = max(memory[settled:]) - memory[settled]
    print(f"\n{growth:.1f} MB more than after minute {settled + 1} at most")
    return growth <= args.most_growth and not any(total.late_texts for total in totals.values())


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--streams", type=int, default=8, help="at a time")
    parser.add_argument("--right-context", type=int, nargs="+")
    parser.add_argument("--shortest", type=float, default=5.0, help="seconds of a stream")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of a stream")
    parser.add_argument("--settled", type=int, default=5, help="minute from which nothing grows")
    parser.add_argument("--most-growth", type=float, default=2.0, help="MB")
    args = parser.parse_args()
    with paced_model(args) as model:
        return 0 if soak(model, args) else 1


if __name__ == "__main__":
    sys.exit(main())
