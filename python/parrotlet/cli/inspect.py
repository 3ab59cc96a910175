"""`parrotlet inspect`: metadata and tensors of a GGUF file, and what a language model has."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parrotlet import _core
from parrotlet.architectures import sizes_of
from parrotlet.cli.console import (
    Bar,
    HelpFormatter,
    human_bytes,
    path_name,
    print_json,
    warnings_told,
)
from parrotlet.cli.progress import following
from parrotlet.cli.table import print_table, printable
from parrotlet.decoding.language_model import is_language_model, read_outline
from parrotlet.decoding.vocabulary import tokenizer_from_metadata
from parrotlet.errors import ModelFileError, ParrotletError
from parrotlet.model_files import local_file, start_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LIST_ITEMS = 6
"""Items shown of a longer list."""

TEXT_LENGTH = 100
"""Characters shown of a longer text."""

EXAMPLES = """\
examples:
  parrotlet inspect parakeet.gguf
  parrotlet inspect parakeet.gguf --json | jq .metadata
  parrotlet inspect reports.arpa.gz"""

COLUMNS = ("name", "shape", "type", "bytes")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser], summary: str) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "inspect",
        help=summary,
        description="Print the metadata and every tensor (name, shape, type, bytes) of a GGUF "
        "file. Shapes are in PyTorch's order: rows before columns. Of a language model in ARPA "
        "format print the n-grams of each order, and the memory that they will take.",
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "model",
        type=path_name,
        metavar="MODEL",
        help="a GGUF file, demo, a language model, or a repository of the Hugging Face hub, such "
        "as nvidia/parakeet-tdt-0.6b-v2, which is fetched and converted once",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with nothing shortened")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print."""
    with warnings_told(quiet=False), Bar(True, total=1.0, label=f"looking up {args.model}") as bar:
        path = local_file(args.model, progress=following(bar))
    if path.is_file() and is_language_model(start_of(path)):
        _print_language_model(path, args.json)
    else:
        _print_model(_core.GgufFile(str(path), any_type=True), args.json)
    return 0


def _print_language_model(path: Path, json: bool) -> None:
    outline = read_outline(path)
    if json:
        counts = list(outline.counts)
        print_json({"path": str(path), "counts": counts, "bytes_in_memory": outline.n_bytes})
        return
    print(f"{path}: n-gram language model of order {len(outline.counts)} over tokens (ARPA)\n")
    rows = [(str(order), f"{count:,}") for order, count in enumerate(outline.counts, 1)]
    print_table(("order", "n-grams"), rows, right=("order", "n-grams"))
    print(f"\nin memory: {human_bytes(outline.n_bytes)}")


def _print_model(file: _core.GgufFile, json: bool) -> None:
    if json:
        print_json(_as_json(file))
        return
    metadata = [(key, shorten(value)) for key, value in file.metadata.items()]
    tensors = [
        (printable(t.name), " x ".join(str(n) for n in t.shape), t.type, str(t.n_bytes))
        for t in file.tensors
    ]
    print(f"{file.path}: GGUF version {file.version}, alignment {file.alignment}")
    print(f"text to tokens: {_encoding(file.metadata, file.path)}")
    if languages := _languages(file):
        print(f"languages: {', '.join(map(printable, languages))}")
    print(f"\nmetadata: {len(metadata)} entries\n")
    print_table(("key", "value"), metadata)
    print(f"\ntensors: {len(tensors)}\n")
    print_table(COLUMNS, tensors, right=("bytes",))
    print("\n" + "\n".join(_totals(file.tensors)))


def _languages(file: _core.GgufFile) -> list[str]:
    """The languages that the model can be told, as far as the file has any that can be read."""
    try:
        prompt = sizes_of(file.metadata, file.path).prompt
    except ParrotletError:
        return []
    return list(prompt.languages) if prompt else []


def _encoding(metadata: Mapping[str, Any], path: str) -> str:
    """How phrases and texts for a language model become tokens, if they can."""
    try:
        tokenizer = tokenizer_from_metadata(metadata, path)
    except ModelFileError:
        return "no, there is no tokenizer that this version reads"
    if not tokenizer.can_encode:
        return "no, the file does not say how; convert the checkpoint again"
    kind = metadata["tokenizer.ggml.model"]
    return "yes, " + {
        "spm": f"SentencePiece ({metadata.get('tokenizer.ggml.algorithm')})",
        "agg": f"SentencePiece ({', '.join(metadata.get('tokenizer.ggml.languages', ()))})",
        "wpm": "WordPiece",
    }.get(kind, f"labels ({kind})")


def shorten(value: object) -> str:
    """Write a metadata value on one line of bounded length, without control characters."""
    if isinstance(value, (list, bytes)):
        items = ", ".join(shorten(item) for item in value[:LIST_ITEMS])
        rest = f", ... {len(value)} in all" if len(value) > LIST_ITEMS else ""
        return f"[{items}{rest}]"
    if isinstance(value, float):
        # Values are stored in 32 bits: the digits after the seventh are not in the file.
        return f"{value:.7g}"
    text = printable(str(value))
    return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}... ({len(text)} characters)"


def _totals(tensors: Iterable[_core.TensorInfo]) -> list[str]:
    sizes: dict[str, list[int]] = {}
    for tensor in tensors:
        sizes.setdefault(tensor.type, []).append(tensor.n_bytes)
    lines = [
        f"{kind}: {len(of_kind)} tensors, {human_bytes(sum(of_kind))}"
        for kind, of_kind in sorted(sizes.items())
    ]
    return [*lines, f"total: {human_bytes(sum(map(sum, sizes.values())))}"]


def _as_json(file: _core.GgufFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "version": file.version,
        "alignment": file.alignment,
        "text_to_tokens": _encoding(file.metadata, file.path),
        "languages": _languages(file),
        "metadata": {
            key: list(value) if isinstance(value, bytes) else value
            for key, value in file.metadata.items()
        },
        "tensors": [
            {
                "name": t.name,
                "shape": list(t.shape),
                "type": t.type,
                "offset": t.offset,
                "bytes": t.n_bytes,
            }
            for t in file.tensors
        ],
    }
