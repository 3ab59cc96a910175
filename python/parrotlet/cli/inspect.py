"""`parrotlet inspect`: metadata and tensors of a GGUF file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from parrotlet import _core
from parrotlet.cli.console import Bar, HelpFormatter, human_bytes, path_name, print_json
from parrotlet.cli.progress import following
from parrotlet.cli.table import print_table, printable
from parrotlet.model_files import local_file

if TYPE_CHECKING:
    from argparse import _SubParsersAction

LIST_ITEMS = 6
"""Items shown of a longer list."""

TEXT_LENGTH = 100
"""Characters shown of a longer text."""

EXAMPLES = """\
examples:
  parrotlet inspect parakeet.gguf
  parrotlet inspect parakeet.gguf --json | jq .metadata"""

COLUMNS = ("name", "shape", "type", "bytes")


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "inspect",
        help="print metadata and tensors of a GGUF file",
        description="Print the metadata and every tensor (name, shape, type, bytes) of a GGUF "
        "file. Shapes are in PyTorch's order: rows before columns.",
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "model",
        type=path_name,
        metavar="MODEL",
        help="a GGUF file, demo, or a repository of the Hugging Face hub, such as "
        "nvidia/parakeet-tdt-0.6b-v2, which is fetched and converted once",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with nothing shortened")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print."""
    with Bar(True, total=1.0, label=f"looking up {args.model}") as bar:
        file = _core.GgufFile(str(local_file(args.model, progress=following(bar))))
    if args.json:
        print_json(_as_json(file))
        return 0
    metadata = [(key, shorten(value)) for key, value in file.metadata.items()]
    tensors = [
        (printable(t.name), " x ".join(str(n) for n in t.shape), t.type, str(t.n_bytes))
        for t in file.tensors
    ]
    print(f"{file.path}: GGUF version {file.version}, alignment {file.alignment}")
    print(f"\nmetadata: {len(metadata)} entries\n")
    print_table(("key", "value"), metadata)
    print(f"\ntensors: {len(tensors)}\n")
    print_table(COLUMNS, tensors, right=("bytes",))
    print("\n" + "\n".join(_totals(file.tensors)))
    return 0


def shorten(value: object) -> str:
    """Write a metadata value on one line of bounded length, without control characters."""
    if isinstance(value, list):
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
        "metadata": file.metadata,
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
