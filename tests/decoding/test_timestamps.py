"""Words and segments against NeMo's.

`data/timestamps.json` holds random sequences, rich in punctuation and lone spaces, with what
NeMo 3.0's functions make of them; `expected.json` of the architectures holds real ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from nemo_files import Nemo

from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.languages import Languages
from parrotlet.decoding.timestamps import token_spans
from parrotlet.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer
from parrotlet.decoding.wordpiece import WordPieceTokenizer

DATA = Path(__file__).parents[1] / "data"
CASES = json.loads((Path(__file__).parent / "data" / "timestamps.json").read_text("utf-8"))


def spm(pieces: list[str]) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(pieces, [2 if piece == "<unk>" else 1 for piece in pieces])


def emissions(ids: list[int], frames: list[int], durations: list[int] | None) -> list[Emission]:
    return [
        Emission(token, frame, duration, 1.0)
        for token, frame, duration in zip(ids, frames, durations or [None] * len(ids), strict=True)
    ]


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: f"{c['decoder']}-{c['vocabulary']}")
def test_random_sequences_as_nemo(case: dict[str, Any]) -> None:
    pieces = CASES["vocabularies"][case["vocabulary"]]
    tokenizer: Tokenizer = CharTokenizer(pieces) if case["vocabulary"] == "char" else spm(pieces)
    found = assemble(
        emissions(case["ids"], case["frames"], case["durations"]), case["decoder"], tokenizer, 1.0
    )
    assert [[w.word, w.start, w.end] for w in found.words] == case["words"]
    assert [[s.text, s.start, s.end] for s in found.segments] == case["segments"]


def checkpoint_tokenizer(nemo: Nemo) -> Tokenizer:
    if "tokenizer" not in nemo.config:
        return CharTokenizer(nemo.config["labels"])
    files = {name.partition("_")[2]: data for name, data in nemo.files.items()}
    if "tokenizer.model" not in files:
        return WordPieceTokenizer(files["vocab.txt"].decode().split())
    model = sentencepiece.SentencePieceProcessor(model_proto=files["tokenizer.model"])
    return spm([model.id_to_piece(i) for i in range(model.get_piece_size())])


@pytest.mark.parametrize(
    "architecture",
    sorted(
        path.parent.name
        for path in DATA.glob("*/model.nemo")
        # Words of several languages and of bytes are not NeMo's: tests/parity/test_nemo.py.
        if not path.parent.name.startswith(("stt_enes", "conformer-ctc-unigram"))
    ),
)
def test_recordings_as_nemo(architecture: str) -> None:
    nemo = Nemo.read(DATA / architecture / "model.nemo")
    tokenizer = checkpoint_tokenizer(nemo)
    encoder = nemo.config["encoder"]
    reduction = encoder["reduction_factor"] if encoder.get("reduction") else 1
    frame_seconds = 0.01 * encoder["subsampling_factor"] * reduction
    expected = json.loads((DATA / architecture / "expected.json").read_text())
    for clip in expected.values():
        for decoder in {"ctc", "rnnt", "tdt"} & clip.keys():
            want = clip[decoder]
            durations = want["durations"] if decoder == "tdt" else None
            found = assemble(
                emissions(want["tokens"], want["frames"], durations),
                decoder,
                tokenizer,
                frame_seconds,
                Languages(keep_tags=True),
            )
            assert found.text == want["text"]
            words = [{"word": w.word, "start": w.start, "end": w.end} for w in found.words]
            assert words == want["words"]
            assert [s.text for s in found.segments] == [" ".join(w["word"] for w in words)]


PIECES = ["<unk>", "▁yes", "▁no", ",", ".", "▁"]


@pytest.mark.parametrize(
    ("decoder", "durations", "spans"),
    [
        # A CTC token lasts from the one before it to its own frame, punctuation no time at all.
        ("ctc", None, [(1, 2), (2, 2), (20, 25)]),
        ("rnnt", None, [(2, 3), (20, 21), (25, 26)]),
        # Emitted long after the word, the comma is moved back to its end.
        ("tdt", [3, 2, 4], [(2, 5), (5, 5), (25, 29)]),
    ],
)
def test_punctuation(
    decoder: str, durations: list[int] | None, spans: list[tuple[int, int]]
) -> None:
    found, _ = token_spans(emissions([1, 3, 2], [2, 20, 25], durations), decoder, spm(PIECES))
    assert [(span.start, span.end) for span in found] == spans


def test_a_late_comma_does_not_stretch_the_word_before_it() -> None:
    found = assemble(emissions([1, 3, 2], [2, 20, 25], [3, 2, 4]), "tdt", spm(PIECES), 0.08)
    assert [(w.word, w.start, w.end) for w in found.words] == [
        ("yes,", 0.16, 0.4),
        ("no", 2.0, 2.32),
    ]
    assert found.text == "yes, no"


def test_segments_end_with_sentences() -> None:
    found = assemble(emissions([1, 3, 2, 4, 1], [0, 1, 2, 3, 4], [1] * 5), "tdt", spm(PIECES), 0.5)
    assert [(s.text, s.start, s.end) for s in found.segments] == [
        ("yes, no.", 0.0, 1.5),
        ("yes", 2.0, 2.5),
    ]
    assert [w.word for s in found.segments for w in s.words] == [w.word for w in found.words]


def test_nothing_emitted() -> None:
    found = assemble([], "tdt", spm(PIECES), 0.08)
    assert (found.text, found.tokens, found.words, found.segments) == ("", (), (), ())


def test_invisible_words_are_left_out() -> None:
    assert assemble(emissions([5], [0], None), "ctc", spm(PIECES), 0.08).words == ()


def test_word_confidence_is_the_lowest_of_its_tokens() -> None:
    parts = [Emission(1, 0, None, 0.9), Emission(3, 1, None, 0.4), Emission(2, 2, None, 0.7)]
    found = assemble(parts, "rnnt", spm(PIECES), 0.08)
    assert [w.confidence for w in found.words] == [0.4, 0.7]
    assert [t.confidence for t in found.tokens] == [0.9, 0.4, 0.7]
    assert [t.piece for t in found.tokens] == ["▁yes", ",", "▁no"]
