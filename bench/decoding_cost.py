"""What beams, a language model and phrases cost: the whole pipeline beside greedy, and loading.

    python bench/decoding_cost.py
    python bench/decoding_cost.py --preset parakeet-rnnt-0.6b --rounds 9 --beam 8

A model of a published architecture's shapes with random weights decodes at the pace of speech
(`parrotlet/bench/pacing.py` says how, also in a beam). Every round transcribes the same sound with
every search, in an order that turns from round to round; ratios are within a round. Own words are
made ready before. Random weights know no words: the vocabulary is numbers, the text that the
language model is made of is runs of numbers, and so are the phrases. What is decoded, a run, is
among both.

A lookup is the score and the next state of one token: of a random token after a random state, which
mostly backs off to the root, and of each token of the text after those before it. None waits for
another, as those of a beam do not. A search looks up all tokens of a state at once, which is the
other figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
from reporting import print_table

import parrotlet
from parrotlet import _core
from parrotlet.bench import preset_names, random_model
from parrotlet.bench.sound import speech_like
from parrotlet.bench.timed import TimedModel
from parrotlet.decoding.language_model import read_arpa
from parrotlet.decoding.tokenizer import Tokenizer
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.ngrams import make_language_model

LOOKUPS = 200_000
RUN = 2.0  # mean length of runs of numbers
BYTES_PER_TOKEN = 43  # of ARPA of order 4, for each token of the text
TIMES = 5  # that each loading is repeated


def write_text(path: Path, tokens: int, vocab: int) -> None:
    """Lines of 12 numbers from 1 up: runs, which begin with small ones more often than large."""
    rng = np.random.default_rng(0)
    first = rng.random(tokens) < 1 / RUN
    first[0] = True
    begins = np.flatnonzero(first)
    starts = (rng.random(len(begins)) ** 2 * (vocab - 1)).astype(np.int64)
    run = np.cumsum(first) - 1
    numbers = 1 + (starts[run] + np.arange(tokens) - begins[run]) % (vocab - 1)
    with path.open("w", encoding="ascii") as file:
        for i in range(0, tokens, 12):
            file.write(" ".join(map(str, numbers[i : i + 12])) + "\n")


def write_phrases(path: Path, count: int, vocab: int) -> None:
    """`count` different phrases of 2 to 5 numbers: about a quarter of them are runs."""
    rng = np.random.default_rng(1)
    phrases: dict[str, None] = {}
    while len(phrases) < count:
        numbers = rng.integers(1, vocab, rng.integers(2, 6))
        if rng.random() < 0.3:
            numbers = 1 + (numbers[0] - 1 + np.arange(len(numbers))) % (vocab - 1)
        phrases[" ".join(map(str, numbers))] = None
    path.write_text("\n".join(phrases) + "\n", encoding="ascii")


def write_names(path: Path, count: int) -> None:
    """`count` phrases of two made-up words each."""
    rng = np.random.default_rng(2)

    def name() -> str:
        syllables = "".join(rng.choice(list(row)) for row in ("bdfglmnprst", "aeiou", "lnrst"))
        return syllables + "".join(rng.choice(list("aeioulnrst"), rng.integers(1, 5)))

    lines: dict[str, None] = {}
    while len(lines) < count:
        lines[f"{name()} {name()}"] = None
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def seconds_of(work: Callable[[], object]) -> float:
    """Median seconds of a few times."""
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def lookup_nanoseconds(graph: _core.decoding.BackoffGraph, text: list[int]) -> tuple[float, float]:
    """What one lookup takes: a random one, and one on a walk over `text`; see above."""
    rng = np.random.default_rng(3)
    tokens = np.array(text)
    random = rng.integers(graph.vocab_size, size=len(text))
    anywhere = rng.integers(graph.states, size=len(text))
    walk = [graph.start()]
    for token in text[:-1]:
        walk.append(graph.advance(walk[-1], token))
    on_the_way = np.array(walk)
    taken = (
        seconds_of(lambda: graph.steps(anywhere, random)),
        seconds_of(lambda: graph.steps(on_the_way, tokens)),
    )
    return 1e9 * taken[0] / len(text), 1e9 * taken[1] / len(text)


def read_and_build(path: Path, tokenizer: Tokenizer) -> _core.decoding.PhraseTree:
    """The tree of a file of phrases."""
    return parrotlet.Phrases(parrotlet.read_phrases(path)).scorer(tokenizer)


def first_tokens(text: Path, tokenizer: Tokenizer, count: int) -> list[int]:
    """The tokens that a text begins with."""
    found: list[int] = []
    with text.open(encoding="utf-8") as lines:
        while len(found) < count and (line := next(lines, "")):
            found += tokenizer.encode(line.strip())
    return found[:count]


def loading(
    text: Path, lm: Path, numbers: Path, names: Path, tokenizer: Tokenizer
) -> list[list[str]]:
    """Rows: what is loaded, and what it takes."""
    vocab = len(tokenizer.pieces)
    graph = read_arpa(lm, vocab)
    seconds = seconds_of(lambda: read_arpa(lm, vocab))
    demo_path = str(parrotlet.load("demo", threads=1).path)
    demo = tokenizer_from_metadata(_core.GgufFile(demo_path).metadata, demo_path)
    some = np.random.default_rng(4).integers(graph.states, size=1000).tolist()
    every = seconds_of(lambda: [graph.scores(state) for state in some]) / len(some)
    anywhere, walking = lookup_nanoseconds(graph, first_tokens(text, tokenizer, LOOKUPS))
    rows = [
        [f"language model, {lm.stat().st_size / 1e6:.0f} MB of ARPA", f"{seconds:.2f} s"],
        ["its memory", f"{graph.n_bytes / 1e6:.0f} MB"],
        ["random lookup, one token", f"{anywhere:.0f} ns"],
        ["lookup of the text's next token", f"{walking:.0f} ns"],
        [f"scores of all {vocab} tokens after a random state", f"{every * 1e6:.1f} µs"],
    ]
    for what, path, its in (("numbers", numbers, tokenizer), ("names, demo model", names, demo)):
        count = len(parrotlet.read_phrases(path))
        taken = seconds_of(lambda path=path, its=its: read_and_build(path, its))
        rows.append([f"{count} phrases: {what}", f"{taken:.2f} s"])
    return rows


def searches(beam: int, lm: Path, phrases: Path) -> dict[str, parrotlet.Decoding]:
    """What is compared; greedy is the first."""
    own = {
        "language_model": lm,
        "phrases": parrotlet.Phrases(parrotlet.read_phrases(phrases)),
    }
    return {
        "greedy": parrotlet.Decoding(),
        "greedy, phrases": parrotlet.Decoding(phrases=own["phrases"]),
        f"beam {beam}": parrotlet.Decoding(beam=beam),
        f"beam {beam}, language model and phrases": parrotlet.Decoding(beam=beam, **own),
    }


def pipeline(
    model: TimedModel, chosen: Mapping[str, parrotlet.Decoding], seconds: float, rounds: int
) -> list[list[str]]:
    """Rows: seconds of each search, and its ratio to greedy in the same round."""
    samples = speech_like(round(seconds * model.sample_rate), model.sample_rate)
    tokens = {}
    for name, decoding in chosen.items():
        model.prepare(decoding)
        tokens[name] = len(model.time(samples, decoding).result.tokens)
    times: dict[str, list[float]] = {name: [] for name in chosen}
    decoding_times: dict[str, list[float]] = {name: [] for name in chosen}
    for turn in range(rounds):
        first = turn % len(chosen)
        for name in [*chosen, *chosen][first : first + len(chosen)]:
            timing = model.time(samples, chosen[name])
            times[name].append(timing.seconds)
            decoding_times[name].append(timing.stages["decoding"])
    rows = []
    for name in chosen:
        ratios = [own / base for own, base in zip(times[name], times["greedy"], strict=True)]
        rows.append(
            [
                name,
                str(tokens[name]),
                f"{median(times[name]):.3f}",
                f"{median(decoding_times[name]):.3f}",
                f"{median(ratios):.3f}",
                f"{min(ratios):.3f} to {max(ratios):.3f}",
            ]
        )
    return rows


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=preset_names(), default="parakeet-tdt-0.6b-v2")
    parser.add_argument("--type", choices=_core.types(), default="q8_0")
    parser.add_argument("--seconds", type=float, default=60.0, help="of sound (default: 60)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--phrases", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--lm-megabytes", type=float, default=50.0, help="of ARPA, about")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    return parser.parse_args()


def measure(args: argparse.Namespace, path: Path, folder: Path) -> dict[str, list[list[str]]]:
    """Both tables, of the model at `path`."""
    model = TimedModel(path, args.threads, paced=True)
    tokenizer = tokenizer_from_metadata(_core.GgufFile(str(path)).metadata, str(path))
    vocab = len(tokenizer.pieces)
    text, lm = folder / "text.txt", folder / "lm.arpa"
    numbers, names = folder / "numbers.txt", folder / "names.txt"
    write_text(text, round(args.lm_megabytes * 1e6 / BYTES_PER_TOKEN), vocab)
    write_phrases(numbers, args.phrases, vocab)
    write_names(names, args.phrases)
    make_language_model([text], tokenizer, lm)
    chosen = searches(args.beam, lm, numbers)
    return {
        "searches": pipeline(model, chosen, args.seconds, args.rounds),
        "loading": loading(text, lm, numbers, names, tokenizer),
    }


def main() -> int:
    """Measure, and print both tables."""
    args = parse_arguments()
    try:
        with (
            random_model(args.preset, args.type) as path,
            tempfile.TemporaryDirectory(prefix="parrotlet-decoding-cost-") as folder,
        ):
            tables = measure(args, path, Path(folder))
    except (parrotlet.ParrotletError, OSError, ValueError) as error:
        sys.exit(f"decoding_cost.py: {error}")
    machine = f"{args.threads} threads, {_core.isa()}"
    print(f"{args.preset}, {args.type}, {args.seconds:g} s of sound, {machine}\n")
    header = ("search", "tokens", "s", "of it decoding", "x greedy", "least to most")
    print_table(header, tables["searches"], args.markdown)
    print()
    print_table(("what", "takes"), tables["loading"], args.markdown)
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
