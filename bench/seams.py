"""What a long recording loses, by the way it is taken: words, and those at the seams of windows.

    python bench/seams.py --model model.gguf --attention-window 128 test/an4/manifest.jsonl

Clips of a manifest are joined to recordings of --seconds, with each kind of gap between them. Every
recording is transcribed in windows that are cut in pauses (the default), in one pass in which
frames see a window of attention, and in windows with that attention. A model whose own attention
is limited takes the pass without --attention-window. "alone" is each clip by itself.

A word is at a seam if it is spoken within a second of a place where the default cuts. Its time is
estimated from its place in its clip. Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray
from reporting import add_reporting_options, print_table, write_json
from word_errors import Recording, read_manifest

import parrotlet
from parrotlet.audio import read_audio
from parrotlet.longform.cutting import Cutter
from parrotlet.longform.limits import Windowing

GAPS = {
    "none": (0.0, 0.0),
    "0.5 s digital silence": (0.5, 0.0),
    "0.5 s noise at -50 dB": (0.5, 10 ** (-50 / 20)),
    "1.5 s noise at -50 dB": (1.5, 10 ** (-50 / 20)),
}
"""Seconds between clips, and the deviation of the noise in them."""

SEAM_SECONDS = 1.0


@dataclass(frozen=True)
class Spoken:
    """A word and when it is spoken, about."""

    word: str
    second: float


@dataclass
class Joined:
    """A recording made of clips."""

    samples: NDArray[np.float32]
    words: list[Spoken]
    alone: str
    """What the model says of each clip by itself."""


@dataclass(frozen=True)
class Result:
    """One way to take all recordings with a kind of gap. Words are those that were spoken."""

    gap: str
    way: str
    words: int
    errors: int
    seam_words: int
    seam_errors: int


def join(
    clips: Sequence[tuple[NDArray[np.float32], Recording, str]],
    seconds: float,
    gap: tuple[float, float],
    rate: int,
) -> list[Joined]:
    """Recordings of at least so many seconds from all clips; what is left over is a shorter one."""
    rng = np.random.default_rng(0)
    length, deviation = gap
    found: list[Joined] = []
    parts: list[NDArray[np.float32]] = []
    words: list[Spoken] = []
    texts: list[str] = []
    size = 0

    def finish() -> None:
        nonlocal parts, words, texts, size
        if parts:
            found.append(Joined(np.concatenate(parts), words, " ".join(texts)))
        parts, words, texts, size = [], [], [], 0

    for samples, recording, alone in clips:
        spoken = recording.text.split()
        for i, word in enumerate(spoken):
            place = size + len(samples) * (i + 0.5) / len(spoken)
            words.append(Spoken(word, place / rate))
        pause = rng.standard_normal(round(length * rate), dtype=np.float32) * np.float32(deviation)
        parts += [samples, pause]
        texts.append(alone)
        size += len(samples) + len(pause)
        if size >= seconds * rate:
            finish()
    finish()
    return found


def cuts_of(model: parrotlet.Model, samples: NDArray[np.float32]) -> list[float]:
    """Seconds at which the default begins another window."""
    recognition = model._recognition(parrotlet.Decoding(), model._config.context(None))
    limits = recognition.recogniser(Windowing()).limits
    windows = [window for window, _ in Cutter([samples], limits).windows()]
    return [window.cut / model.sample_rate for window in windows[1:]]


def wrong_words(spoken: Sequence[str], text: str) -> NDArray[np.int64]:
    """Errors of each word that was spoken: it is another or none, or words are inserted before."""
    errors = np.zeros(len(spoken), dtype=np.int64)
    for chunk in jiwer.process_words(" ".join(spoken), text).alignments[0]:
        begin, end = chunk.ref_start_idx, chunk.ref_end_idx
        if chunk.type == "insert":
            errors[min(begin, len(spoken) - 1)] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            errors[begin:end] += 1
    return errors


def measure(
    model: parrotlet.Model,
    recordings: Sequence[Joined],
    gap: str,
    attention_window: int | None,
    decoding: parrotlet.Decoding,
) -> list[Result]:
    """Every way to take the recordings."""
    ways = {"windows cut in pauses": Windowing()}
    if attention_window is None:
        ways["one pass"] = Windowing(window=float("inf"))
    else:
        ways["one pass, local attention"] = Windowing(attention_window=attention_window)
        ways["windows, local attention"] = Windowing(window=30.0, attention_window=attention_window)
        ways["one pass, full attention"] = Windowing(window=float("inf"))
    results = [Result(gap, way, 0, 0, 0, 0) for way in ("clips alone", *ways)]
    for joined in recordings:
        cuts = np.array([-np.inf, *cuts_of(model, joined.samples)])
        times = np.array([word.second for word in joined.words])
        at_seam = np.abs(times[:, None] - cuts).min(1) <= SEAM_SECONDS
        texts = [joined.alone] + [
            model.transcribe(
                joined.samples,
                decoding=decoding,
                window=way.window,
                attention_window=way.attention_window,
            ).text
            for way in ways.values()
        ]
        for i, text in enumerate(texts):
            errors = wrong_words([word.word for word in joined.words], text)
            results[i] = replace(
                results[i],
                words=results[i].words + len(errors),
                errors=results[i].errors + int(errors.sum()),
                seam_words=results[i].seam_words + int(at_seam.sum()),
                seam_errors=results[i].seam_errors + int(errors[at_seam].sum()),
            )
    return results


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--model", help="GGUF file (default: the demo model)")
    parser.add_argument("--head", choices=["ctc", "transducer"])
    parser.add_argument("--attention-window", type=int, metavar="FRAMES")
    parser.add_argument(
        "--gaps", nargs="+", choices=list(GAPS), default=list(GAPS), help="between clips"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="of a recording, at least")
    parser.add_argument(
        "--repeat", type=int, default=1, help="times that all clips are taken, in another order"
    )
    parser.add_argument("--threads", type=int, default=2)
    add_reporting_options(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> list[Result]:
    """Measure every kind of gap."""
    model = parrotlet.load(args.model, threads=args.threads)
    decoding = parrotlet.Decoding(args.head)
    recordings = [r for path in args.manifests for r in read_manifest(path, None)]
    clips = []
    for recording in recordings:
        samples = read_audio(recording.path, model.sample_rate)
        clips.append((samples, recording, model.transcribe(samples, decoding=decoding).text))
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(len(clips)) for _ in range(args.repeat)])
    results = []
    for gap in args.gaps:
        joined = join([clips[i] for i in order], args.seconds, GAPS[gap], model.sample_rate)
        results += measure(model, joined, gap, args.attention_window, decoding)
    return results


def main() -> int:
    """Measure and print."""
    args = parse_arguments()
    try:
        results = run(args)
    except (parrotlet.ParrotletError, OSError, ValueError) as error:
        sys.exit(f"seams.py: {error}")
    rows = [
        [
            r.gap,
            r.way,
            str(r.words),
            f"{100 * r.errors / r.words:.1f}",
            str(r.seam_words),
            f"{100 * r.seam_errors / r.seam_words:.1f}" if r.seam_words else "",
        ]
        for r in results
    ]
    header = ["between clips", "taken in", "words", "WER %", "words at seams", "errors there, %"]
    print_table(header, rows, args.markdown)
    write_json(args.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
