"""What boosting phrases brings and costs: recall, false insertions and word errors.

    python bench/boosting.py phrases.txt test/*/manifest.jsonl
    python bench/boosting.py phrases.txt test/*/manifest.jsonl --beams 4 --weights 0 1 --head ctc

phrases.txt is what `--phrases` of `parrotlet transcribe` takes; manifests are NeMo's, as for
`accuracy.py`. One row for each beam and weight; 0 is the search without phrases.

A phrase is found where its words follow each other in a text. Recall is how many of the spoken ones
are found; more of them than were spoken in a recording are false insertions. An hour is one of all
recordings together: every phrase can be inserted in all of them but its own, and the shortest time
without a phrase is printed. Word errors are those of recordings with a phrase and of recordings
without any.

Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting import add_reporting_options, print_table, write_json
from word_errors import count_errors, read_manifest

import parrotlet


@dataclass(frozen=True)
class Speech:
    """What was spoken in each recording, its length in seconds, and the phrases to count."""

    spoken: list[str]
    seconds: list[float]
    phrases: list[str]

    def with_phrase(self) -> list[bool]:
        """Of each recording, whether one of the phrases is spoken there."""
        return [any(occurrences(p, text) for p in self.phrases) for text in self.spoken]

    def seconds_without(self, phrase: str) -> float:
        """Length of the recordings in which a phrase is not spoken."""
        return sum(
            length
            for text, length in zip(self.spoken, self.seconds, strict=True)
            if not occurrences(phrase, text)
        )

    def summary(self) -> str:
        """One line of how much there is."""
        silent = len(self.spoken) - sum(self.with_phrase())
        least = min(self.seconds_without(phrase) for phrase in self.phrases)
        return (
            f"{len(self.spoken)} recordings, {sum(self.seconds) / 60:.1f} minutes; "
            f"{len(self.phrases)} phrases, each of them not in {least / 60:.1f} minutes or more; "
            f"none of them in {silent} recordings"
        )


@dataclass(frozen=True)
class Boosting:
    """What one search made of the recordings. Error rates are in percent."""

    beam: int
    weight: float
    spoken: int
    found: int
    inserted: int
    inserted_per_hour: float
    error_rate_with: float | None
    error_rate_without: float | None


def occurrences(phrase: str, text: str) -> int:
    """How often the words of a phrase follow each other in a text."""
    separate, wanted = (" " + words.replace(" ", "  ") + " " for words in (text, phrase))
    return separate.count(wanted)


def compare(beam: int, weight: float, speech: Speech, texts: Sequence[str]) -> Boosting:
    """Count phrases and word errors in the texts of the recordings."""
    spoken = found = inserted = 0
    for phrase in speech.phrases:
        for said, heard in zip(speech.spoken, texts, strict=True):
            there, here = occurrences(phrase, said), occurrences(phrase, heard)
            spoken += there
            found += min(there, here)
            inserted += max(0, here - there)
    rates = [error_rate(speech, texts, with_phrase) for with_phrase in (True, False)]
    return Boosting(
        beam, weight, spoken, found, inserted, inserted / (sum(speech.seconds) / 3600), *rates
    )


def error_rate(speech: Speech, texts: Sequence[str], with_phrase: bool) -> float | None:
    """Word errors of the recordings with, or without, a phrase; None without words."""
    pairs = [
        (said, heard)
        for said, heard, has in zip(speech.spoken, texts, speech.with_phrase(), strict=True)
        if has == with_phrase
    ]
    words = sum(len(said.split()) for said, _ in pairs)
    if not words:
        return None
    return 100 * count_errors([said for said, _ in pairs], [heard for _, heard in pairs]) / words


def measure(args: argparse.Namespace) -> tuple[Speech, list[Boosting]]:
    """Transcribe all recordings with each beam and weight."""
    model = parrotlet.load(args.model, threads=args.threads)
    phrases = parrotlet.Phrases(parrotlet.read_phrases(args.phrases))
    recordings = [r for manifest in args.manifests for r in read_manifest(manifest, None)]
    made = {}
    for beam, weight in itertools.product(args.beams, args.weights):
        decoding = parrotlet.Decoding(args.head, phrases=phrases, phrase_weight=weight, beam=beam)
        made[beam, weight] = [model.transcribe(r.path, decoding=decoding) for r in recordings]
        print(f"beam {beam}, weight {weight:g}: done", file=sys.stderr)
    speech = Speech(
        [recording.text for recording in recordings],
        [result.duration for result in next(iter(made.values()))],
        [phrase for phrase, _ in phrases.entries],
    )
    return speech, [
        compare(beam, weight, speech, [result.text for result in results])
        for (beam, weight), results in made.items()
    ]


def table_row(result: Boosting) -> list[str]:
    """The cells of HEADER."""
    return [
        str(result.beam),
        f"{result.weight:g}",
        f"{result.found} of {result.spoken}",
        f"{100 * result.found / result.spoken:.0f}" if result.spoken else "",
        str(result.inserted),
        f"{result.inserted_per_hour:.0f}",
        *(
            "" if rate is None else f"{rate:.1f}"
            for rate in (result.error_rate_with, result.error_rate_without)
        ),
    ]


HEADER = (
    "beam",
    "weight",
    "found",
    "recall %",
    "inserted falsely",
    "an hour",
    "WER % with phrases",
    "WER % without",
)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("phrases", metavar="PHRASES.txt")
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--model", help="GGUF file (default: the demo model)")
    parser.add_argument("--head", choices=["ctc", "transducer"])
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4], metavar="N")
    parser.add_argument(
        "--weights", nargs="+", type=float, default=[0, 0.2, 0.5, 1, 2], metavar="W"
    )
    parser.add_argument("--threads", type=int, default=2)
    add_reporting_options(parser)
    return parser.parse_args()


def main() -> int:
    """Measure."""
    args = parse_arguments()
    try:
        speech, results = measure(args)
    except (parrotlet.ParrotletError, OSError, ValueError) as error:
        sys.exit(f"boosting.py: {error}")
    print(speech.summary() + "\n")
    print_table(HEADER, [table_row(result) for result in results], args.markdown)
    write_json(args.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
