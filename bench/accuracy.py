"""Word error rate of a model on manifests of recordings, beside NeMo's where its texts are known.

    python bench/accuracy.py test/an4/manifest.jsonl test/short/manifest.jsonl
    python bench/accuracy.py --all --reference nemo.jsonl --markdown test/*/manifest.jsonl

A manifest is NeMo's: one JSON object a line with `audio_filepath` (relative to the manifest) and
`text`. The reference has the same `audio_filepath` and NeMo's text of each setting under
`<head>_<right context>`, such as `ctc_13`, or under `<head>` for models without a choice of
context; every text that differs from it is listed. Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import jiwer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import parrotlet


@dataclass(frozen=True)
class Setting:
    """How to decode: `decoder` and `right_context` as `Model.transcribe` takes them."""

    decoder: str
    right_context: int | None

    def key(self, heads: Sequence[str]) -> str:
        """Name of this setting in a reference, such as "rnnt_13"."""
        head = "ctc" if self.decoder == "ctc" else next(h for h in heads if h != "ctc")
        return head if self.right_context is None else f"{head}_{self.right_context}"


@dataclass
class Recording:
    """One line of a manifest, with NeMo's texts by setting where a reference has them."""

    path: Path
    text: str
    nemo: dict[str, str]


@dataclass
class Result:
    """What one setting made of one manifest. Error rates are in percent."""

    manifest: str
    setting: str
    words: int
    error_rate: float
    nemo_error_rate: float | None
    differing: list[dict[str, str]] = field(default_factory=list)


def read_lines(path: Path) -> Iterator[dict[str, str]]:
    """The objects of a file with one JSON object a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def read_manifest(manifest: Path, reference: Path | None) -> list[Recording]:
    """The recordings of a manifest; a relative `reference` is looked for beside it first."""
    nemo: dict[str, dict[str, str]] = {}
    if reference is not None:
        beside = manifest.parent / reference
        for entry in read_lines(beside if beside.exists() else reference):
            nemo[entry.pop("audio_filepath")] = entry
    return [
        Recording(
            manifest.parent / entry["audio_filepath"],
            entry["text"],
            nemo.get(entry["audio_filepath"], {}),
        )
        for entry in read_lines(manifest)
    ]


def settings(model: parrotlet.Model, args: argparse.Namespace) -> list[Setting]:
    """The settings asked for: one, or with `--all` every head at every right context."""
    contexts: list[int | None] = list(model.right_contexts) or [None]
    if args.all:
        return [Setting(d, context) for context in contexts for d in model.decoders]
    context = contexts[0] if args.right_context is None else args.right_context
    return [Setting(args.decoder or model.decoders[0], context)]


def word_error_rate(spoken: list[str], recognised: list[str]) -> float:
    """Substituted, deleted and inserted words per spoken word over all recordings, in percent."""
    return 100.0 * float(jiwer.wer(spoken, recognised))


def measure(
    model: parrotlet.Model, manifest: Path, recordings: list[Recording], setting: Setting
) -> Result:
    """Transcribe every recording of a manifest and compare."""
    key = setting.key(model.heads)
    texts = [
        model.transcribe(
            recording.path, decoder=setting.decoder, right_context=setting.right_context
        ).text
        for recording in recordings
    ]
    spoken = [recording.text for recording in recordings]
    nemo = [recording.nemo[key] for recording in recordings if key in recording.nemo]
    return Result(
        manifest=manifest.parent.name or manifest.stem,
        setting=key,
        words=sum(len(text.split()) for text in spoken),
        error_rate=word_error_rate(spoken, texts),
        nemo_error_rate=word_error_rate(spoken, nemo) if len(nemo) == len(spoken) else None,
        differing=[
            {"audio": recording.path.name, "parrotlet": text, "nemo": recording.nemo[key]}
            for recording, text in zip(recordings, texts, strict=True)
            if recording.nemo.get(key, text) != text
        ],
    )


def print_table(results: list[Result], markdown: bool) -> None:
    """Print one row per manifest and setting."""
    header = ["set", "words", "setting", "WER %", "NeMo's WER %", "texts that differ"]
    rows = []
    for r in results:
        known = r.nemo_error_rate is not None
        nemo = f"{r.nemo_error_rate:.1f}" if known else ""
        differing = str(len(r.differing)) if known else ""
        rows.append([r.manifest, str(r.words), r.setting, f"{r.error_rate:.1f}", nemo, differing])
    if markdown:
        print("| " + " | ".join(header) + " |")
        print("|" + "---|" * len(header))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", nargs="+", type=Path, metavar="MANIFEST")
    parser.add_argument("--model", help="GGUF file (default: the demo model)")
    parser.add_argument("--decoder", choices=["ctc", "transducer"])
    parser.add_argument("--right-context", type=int, metavar="FRAMES")
    parser.add_argument("--all", action="store_true", help="every head at every right context")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference", type=Path, help="NeMo's texts, such as nemo.jsonl")
    parser.add_argument("--json", type=Path, help="write the results there as well")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    return parser.parse_args(argv)


def main() -> int:
    """Measure; exit status 1 if any text differs from the reference."""
    args = parse_arguments()
    model = parrotlet.load(args.model, threads=args.threads)
    chosen = settings(model, args)
    results = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("transcribing", total=len(args.manifests) * len(chosen))
        for manifest in args.manifests:
            recordings = read_manifest(manifest, args.reference)
            for setting in chosen:
                results.append(measure(model, manifest, recordings, setting))
                progress.advance(task)
    print_table(results, args.markdown)
    for result in results:
        for text in result.differing:
            print(f"{result.manifest} {result.setting} {text['audio']}", file=sys.stderr)
            print(f"    parrotlet: {text['parrotlet']}", file=sys.stderr)
            print(f"    NeMo:      {text['nemo']}", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    return int(any(result.differing for result in results))


if __name__ == "__main__":
    sys.exit(main())
