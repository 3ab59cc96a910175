"""How accurate a model is: word error rates on recordings, and what each type costs.

    python bench/accuracy.py test/an4/manifest.jsonl test/short/manifest.jsonl
    python bench/accuracy.py --all --reference nemo.jsonl test/*/manifest.jsonl
    python bench/accuracy.py --model demo-f32.gguf --types f32 q8_0 q4_k test/*/manifest.jsonl

A manifest is NeMo's: one JSON object a line with `audio_filepath` (relative to the manifest) and
`text`. The reference has the same `audio_filepath` and NeMo's text of each setting under
`<head>_<right context>`, such as `ctc_13`, or under `<head>` for models without a choice of
context; every text that differs from it is listed.

With --types, the model (of type f32 or f16) is quantised to each of them, and there is one row for
each type: size and word error rates of the model, and what the type makes of an architecture of
full size (--preset, random weights): size, cosine of encoder frames with those of f32, multiples of
real time.

Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from full_size import measure as measure_full_size
from reporting import add_reporting_options, list_differences, print_table, write_json
from rich.console import Console
from rich.progress import Progress
from word_errors import Recording, Result, Setting, greedy_setting, measure, read_manifest

import parrotlet
from parrotlet.bench import Settings
from parrotlet.decoding.options import find_head


def chosen_settings(model: parrotlet.Model, args: argparse.Namespace) -> list[Setting]:
    """The settings asked for: one, with `--types` every head, with `--all` every context too."""
    contexts: list[int | None] = list(model.right_contexts) or [None]
    if args.all:
        return [greedy_setting(head, context) for context in contexts for head in model.heads]
    context = contexts[0] if args.right_context is None else args.right_context
    if args.types and args.head is None:
        return [greedy_setting(head, context) for head in model.heads]
    head = find_head(args.head, model.heads)
    if head is None:
        raise SystemExit(f"--head {args.head}: the model has {' and '.join(model.heads)} only")
    return [greedy_setting(head, context)]


def one_model(args: argparse.Namespace, manifests: dict[Path, list[Recording]]) -> list[Result]:
    """Word error rates of a model: one row per manifest and setting."""
    model = parrotlet.load(args.model, threads=args.threads)
    chosen = chosen_settings(model, args)
    results = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("transcribing", total=len(manifests) * len(chosen))
        for manifest, recordings in manifests.items():
            for setting in chosen:
                results.append(measure(model, manifest, recordings, setting))
                progress.advance(task)
    rows = []
    for r in results:
        known = r.nemo_error_rate is not None
        nemo = f"{r.nemo_error_rate:.1f}" if known else ""
        differing = str(len(r.differing)) if known else ""
        rows.append([r.manifest, str(r.words), r.setting, f"{r.error_rate:.1f}", nemo, differing])
    header = ["set", "words", "setting", "WER %", "NeMo's WER %", "texts that differ"]
    print_table(header, rows, args.markdown)
    list_differences(results)
    return results


@contextlib.contextmanager
def quantised(source: Path, type: str) -> Iterator[Path]:
    """A temporary file of the model at a type."""
    with tempfile.TemporaryDirectory(prefix="parrotlet-accuracy-") as directory:
        yield parrotlet.quantize(source, Path(directory) / f"{type}.gguf", type=type)


def each_type(args: argparse.Namespace, manifests: dict[Path, list[Recording]]) -> list[Result]:
    """What each type costs: one row per type."""
    source = parrotlet.load(args.model, threads=args.threads).path
    results: list[Result] = []
    rows = []
    full = None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def started(what: str) -> None:
            progress.update(task, description=what)

        if args.preset != "none":
            settings = Settings(seconds=args.seconds, threads=args.threads)
            full = measure_full_size(args.preset, args.types, settings, started)
        for type in args.types:
            started(f"{source.name} {type}")
            with quantised(source, type) as path:
                size = path.stat().st_size
                model = parrotlet.load(path, threads=args.threads)
                found = [
                    measure(model, manifest, recordings, setting)
                    for manifest, recordings in manifests.items()
                    for setting in chosen_settings(model, args)
                ]
            list_differences(found, f"{type} ")
            results += found
            row = [type, f"{size / 1e6:.1f}", *(f"{r.error_rate:.1f}" for r in found)]
            if args.reference is not None:
                row.append(str(sum(len(r.differing) for r in found)))
            if full is not None:
                large = next(full)
                row += [f"{large.file_bytes / 1e6:.0f}", f"{large.mean_cosine:.6f}"]
                row += [f"{large.lowest_cosine:.6f}", f"{large.times_real_time:.1f}"]
            rows.append(row)
    header = ["type", "MB", *(f"{r.manifest} {r.setting}, WER %" for r in found)]
    if args.reference is not None:
        header.append("texts that differ from NeMo's")
    if full is not None:
        header += ["full size, MB", "mean cosine", "lowest cosine", "x real time"]
    print_table(header, rows, args.markdown)
    return results


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--model", help="GGUF file (default: the demo model)")
    parser.add_argument("--head", "--decoder", choices=["ctc", "transducer"])
    parser.add_argument("--right-context", type=int, metavar="FRAMES")
    parser.add_argument("--all", action="store_true", help="every head at every right context")
    parser.add_argument("--types", nargs="+", metavar="TYPE", help="a row for each type instead")
    parser.add_argument(
        "--preset",
        default="parakeet-tdt-0.6b-v2",
        help="architecture of full size for --types, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of sound for the speed at full size"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference", type=Path, help="NeMo's texts, such as nemo.jsonl")
    add_reporting_options(parser)
    return parser.parse_args(argv)


def main() -> int:
    """Measure; exit status 1 if any text differs from the reference."""
    args = parse_arguments()
    try:
        manifests = {path: read_manifest(path, args.reference) for path in args.manifests}
        results = (each_type if args.types else one_model)(args, manifests)
    except (parrotlet.ParrotletError, OSError, ValueError) as error:
        sys.exit(f"accuracy.py: {error}")
    write_json(args.json, results)
    return int(any(result.differing for result in results))


if __name__ == "__main__":
    sys.exit(main())
