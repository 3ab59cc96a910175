"""Word error rates of every search that NeMo was run with, beside NeMo's texts.

    python bench/searches.py NEMO.json manifest.jsonl --model demo-f32.gguf --lm lm.arpa
    python bench/searches.py NEMO.json manifest.jsonl --only rnnt --instead maes_batch

NEMO.json has an object for each search, by a name that begins with the head ("rnnt greedy"):
`settings`, which are NeMo's decoding keys (`strategy`, and under `greedy` or `beam` for example
`beam_size`, `beam_beta`, `ngram_lm_alpha`, `boosting_tree_alpha` and
`boosting_tree.key_phrases_list`), and `texts`, NeMo's text by the name of each recording. --lm is
the model that all settings with `ngram_lm_alpha` mean. The manifest is NeMo's, as for
`accuracy.py`. Every text that differs is listed.

--instead runs the beams of the file with another strategy, which has no texts of NeMo's to compare
with.

Needs the `bench` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reporting import add_reporting_options, list_differences, print_table, write_json
from word_errors import Recording, Result, Setting, measure, read_manifest

import parrotlet

MEASURED = ("setting", "errors", "WER %", "NeMo's WER %", "texts that differ")


def decoding_of(head: str, settings: Mapping[str, Any], lm: Path | None) -> parrotlet.Decoding:
    """What NeMo's decoding keys mean here; raises ValueError if they need a missing `lm`."""
    strategy = settings["strategy"]
    greedy = strategy == "greedy_batch"
    keys = settings["greedy" if greedy else "beam"]
    found: dict[str, Any] = {"head": head}
    if not greedy:
        found |= {"strategy": strategy, "beam": keys["beam_size"]}
    if "beam_beta" in keys:
        found["insertion_bonus"] = keys["beam_beta"]
    if "ngram_lm_alpha" in keys:
        if lm is None:
            raise ValueError(f"{keys['ngram_lm_model']}: name this language model with --lm")
        found |= {"language_model": lm, "language_model_weight": keys["ngram_lm_alpha"]}
    if "boosting_tree_alpha" in keys:
        phrases = keys["boosting_tree"]["key_phrases_list"]
        found |= {"phrases": phrases, "phrase_weight": keys["boosting_tree_alpha"]}
    return parrotlet.Decoding(**found)


def searches(args: argparse.Namespace, recordings: list[Recording]) -> Iterator[Setting]:
    """The searches of the file; NeMo's texts of each become those of the recordings."""
    with args.reference.open(encoding="utf-8") as file:
        entries = json.load(file)
    for name, entry in entries.items():
        head = name.split()[0]
        settings = dict(entry["settings"])
        if not name.startswith(args.only) or (args.instead and "beam" not in settings):
            continue
        if args.instead:
            name = name.replace(settings["strategy"], args.instead)
            settings["strategy"] = args.instead
        else:
            for recording in recordings:
                recording.nemo[name] = entry["texts"][recording.path.name]
        yield Setting(name, decoding_of(head, settings, args.lm))


def table_row(result: Result) -> list[str]:
    """The cells of MEASURED."""
    known = result.nemo_error_rate is not None
    return [
        result.setting,
        str(result.errors),
        f"{result.error_rate:.2f}",
        f"{result.nemo_error_rate:.2f}" if known else "",
        str(len(result.differing)) if known else "",
    ]


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", type=Path, metavar="NEMO.json")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("--model", help="GGUF file (default: the demo model)")
    parser.add_argument("--lm", type=Path, help="language model over the model's tokens")
    parser.add_argument("--only", default="", metavar="NAME", help="what names begin with")
    parser.add_argument("--instead", metavar="STRATEGY", help="of the strategies of beams")
    parser.add_argument("--threads", type=int, default=2)
    add_reporting_options(parser)
    return parser.parse_args()


def main() -> int:
    """Measure; exit status 1 if any text differs from NeMo's."""
    args = parse_arguments()
    try:
        model = parrotlet.load(args.model, threads=args.threads)
        recordings = read_manifest(args.manifest, None)
        results = [
            measure(model, args.manifest, recordings, setting)
            for setting in searches(args, recordings)
        ]
    except (parrotlet.ParrotletError, OSError, ValueError) as error:
        sys.exit(f"searches.py: {error}")
    print_table(MEASURED, [table_row(result) for result in results], args.markdown)
    list_differences(results)
    write_json(args.json, results)
    return int(any(result.differing for result in results))


if __name__ == "__main__":
    sys.exit(main())
