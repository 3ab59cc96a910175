"""Text and words kept up token by token, against what all tokens give at once."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from parrotlet import Word
from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.history import TokenHistory, WordHistory, Words
from parrotlet.decoding.timestamps import WordSpan
from parrotlet.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, TokenType
from parrotlet.decoding.transcript import Event, Transcript

FRAME = 0.08
HEADS = ["ctc", "rnnt", "tdt"]

# What is awkward: punctuation with and without a space, a lone space, half characters, markers.
PIECES = {
    TokenType.UNKNOWN: ["<unk>"],
    TokenType.CONTROL: ["<s>"],
    TokenType.USER_DEFINED: ["<EOU>", "<EOB>"],
    TokenType.BYTE: ["<0xC3>", "<0xA9>"],
    TokenType.NORMAL: ["▁a", "b", "▁", "▁cd", ",", ".", "▁'", "x", "▁E", "?", "▁,"],
}
TOKENIZERS = {
    "spm": SentencePieceTokenizer(
        [piece for pieces in PIECES.values() for piece in pieces],
        [kind for kind, pieces in PIECES.items() for _ in pieces],
    ),
    "char": CharTokenizer([" ", "a", "b", "c", ",", ".", "'", "?", "<EOU>"]),
}


def random_emissions(tokenizer: Tokenizer, head: str, source: random.Random) -> list[Emission]:
    frame = 0
    found = []
    for _ in range(source.randint(0, 25)):
        frame += source.choice([0, 1, 1, 3])
        duration = source.choice([0, 1, 2, 4]) if head == "tdt" else None
        token = source.randrange(len(tokenizer.pieces))
        found.append(Emission(token, frame, duration, source.random()))
    return found


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("head", HEADS)
def test_any_division_gives_what_all_tokens_give(kind: str, head: str) -> None:
    tokenizer = TOKENIZERS[kind]
    for seed in range(1000):
        source = random.Random(seed)
        emissions = random_emissions(tokenizer, head, source)
        transcript = Transcript(head, tokenizer, FRAME)
        partials = []
        done = 0
        tentative: list[Emission] = []
        while done < len(emissions):
            settled = [*emissions[done - len(tentative) : done]]
            size = source.choice([0, 1, 1, 2, 5])
            settled += emissions[done : done + size]
            done = min(done + size, len(emissions))
            shown = emissions[:done]
            # The confidence of a tentative token may still fall.
            tentative = settled[-1:] if head == "ctc" and source.random() < 0.5 else []
            if tentative:
                settled.pop()
                tentative = [replace(tentative[0], confidence=1.0)]
                shown = [*shown[:-1], *tentative]
            transcript.extend(settled, tentative)
            partials.append(transcript.partial(0.0))
            expected = assemble(shown, head, tokenizer, FRAME)
            assert partials[-1].text == expected.text
            assert partials[-1].words == expected.words
        transcript.extend(emissions[done - len(tentative) :])
        transcript.close()
        partials.append(transcript.partial(0.0))

        expected = assemble(emissions, head, tokenizer, FRAME)
        assert partials[-1].final == partials[-1].text == expected.text
        assert partials[-1].words == expected.words
        assert list(transcript.emissions()) == emissions
        assert sum((partial.new_words for partial in partials), ()) == expected.words
        lines = "".join("\n".join(partial.new_lines) for partial in partials)
        assert "".join(lines.split()) == "".join(expected.text.split())
        # Earlier states have not changed, and what was final has stayed.
        for partial in partials:
            assert expected.text.startswith(partial.final)
            finished = max(0, len(partial.words) - 1)
            assert partial.words[:finished] == expected.words[:finished]


def transcript_of(*pieces: str, head: str = "rnnt", frames: list[int] | None = None) -> Transcript:
    tokenizer = TOKENIZERS["spm"]
    transcript = Transcript(head, tokenizer, FRAME)
    for i, piece in enumerate(pieces):
        frame = frames[i] if frames else i
        transcript.extend([Emission(tokenizer.pieces.index(piece), frame, None, 0.5)])
    return transcript


def test_a_word_is_final_when_the_next_one_begins() -> None:
    partial = transcript_of("▁cd", "x").partial(1.0)
    assert (partial.text, partial.final, partial.unfinished) == ("cdx", "", "cdx")
    assert [word.word for word in partial.words] == ["cdx"]
    assert partial.new_words == ()
    partial = transcript_of("▁cd", "x", "▁a").partial(1.0)
    assert (partial.text, partial.final, partial.unfinished) == ("cdx a", "cdx", " a")
    assert [(word.word, word.start) for word in partial.words] == [("cdx", 0), ("a", 0.16)]
    assert [word.word for word in partial.new_words] == ["cdx"]
    assert partial.time == 1.0


def test_new_is_what_has_not_been_reported() -> None:
    transcript = transcript_of("▁cd", "▁a")
    assert transcript.partial(0.0).new_lines == ("cd",)
    partial = transcript.partial(0.0)
    assert (partial.new_lines, partial.new_words) == (("",), ())
    assert (partial.text, partial.final) == ("cd a", "cd")


def test_sentences_end_lines() -> None:
    transcript = transcript_of("▁cd", ".", "▁a", "▁E", "?")
    transcript.close()
    assert transcript.partial(0.0).new_lines == ("cd.", "a E?", "")


@pytest.mark.parametrize("kind", ["EOU", "EOB"])
def test_utterance_ends_are_events_and_no_text(kind: str) -> None:
    transcript = transcript_of("▁cd", f"<{kind}>", frames=[3, 7])
    partial = transcript.partial(0.0)
    assert partial.events == (Event(kind, 0.56),)
    assert (partial.final, partial.unfinished) == ("cd", "")
    assert partial.new_lines == ("cd", "")
    transcript = transcript_of("x", "<EOU>", "x", "▁", "<EOU>", "<EOB>", "▁a", "b")
    partial = transcript.partial(0.0)
    assert partial.text == "x x ab"
    assert partial.new_lines == ("x", "x", "")
    assert [word.word for word in partial.words] == ["x", "x", "ab"]
    assert [event.kind for event in partial.events] == ["EOU", "EOU", "EOB"]
    assert transcript.partial(0.0).events == ()


def test_utterance_ends_in_whole_recordings() -> None:
    transcript = transcript_of("▁cd", "▁a", "<EOU>", "x", "<EOB>")
    parts = assemble(list(transcript.emissions()), "rnnt", TOKENIZERS["spm"], FRAME)
    assert parts.text == "cd a x"
    assert [segment.text for segment in parts.segments] == ["cd a", "x"]
    assert [token.piece for token in parts.tokens] == ["▁cd", "▁a", "<EOU>", "x", "<EOB>"]


def test_a_ctc_token_may_last_into_the_next_call() -> None:
    tokenizer = TOKENIZERS["spm"]
    transcript = Transcript("ctc", tokenizer, FRAME)
    token = Emission(tokenizer.pieces.index("x"), 0, None, 0.9)
    transcript.extend([], [token])
    first = transcript.partial(0.0)
    transcript.extend([], [replace(token, confidence=0.4)])
    second = transcript.partial(0.0)
    transcript.extend([replace(token, confidence=0.3)])
    third = transcript.partial(0.0)
    for partial, confidence in ((first, 0.9), (second, 0.4), (third, 0.3)):
        assert partial.text == "x"
        assert [word.confidence for word in partial.words] == [confidence]


def test_a_tentative_end_of_an_utterance_is_one_event() -> None:
    tokenizer = TOKENIZERS["spm"]
    transcript = Transcript("ctc", tokenizer, FRAME)
    word, end = (Emission(tokenizer.pieces.index(p), 0, None, 0.9) for p in ("▁a", "<EOU>"))
    transcript.extend([word], [end])
    assert transcript.partial(0.0).events == (Event("EOU", 0.0),)
    ended = replace(end, confidence=0.4)
    transcript.extend([ended])
    assert transcript.partial(0.0).events == ()
    transcript.close()
    assert list(transcript.emissions()) == [word, ended]


def test_a_tentative_token_makes_the_word_before_it_final() -> None:
    tokenizer = TOKENIZERS["spm"]
    transcript = Transcript("ctc", tokenizer, FRAME)
    first, second = (Emission(tokenizer.pieces.index(p), 0, None, 0.9) for p in ("▁a", "▁cd"))
    transcript.extend([first], [second])
    partial = transcript.partial(0.0)
    assert (partial.final, partial.unfinished) == ("a", " cd")
    assert [word.word for word in partial.new_words] == ["a"]


def test_work_depends_on_new_tokens_alone() -> None:
    """Counts the tokens that are decoded to text, at the start of a long stream and at its end."""

    class Counting(SentencePieceTokenizer):
        tokens = 0

        def decode(self, ids: object) -> str:
            listed = list(ids)  # type: ignore[call-overload]
            self.tokens += len(listed)
            return super().decode(listed)

    kinds = [kind for kind, pieces in PIECES.items() for _ in pieces]
    tokenizer = Counting(TOKENIZERS["spm"].pieces, kinds)
    transcript = Transcript("rnnt", tokenizer, FRAME)
    work = []
    for step in range(2000):
        before = tokenizer.tokens
        tokens = [tokenizer.pieces.index(piece) for piece in ("▁cd", "b")]
        transcript.extend([Emission(token, step, None, 0.5) for token in tokens])
        transcript.partial(0.0)
        work.append(tokenizer.tokens - before)
    assert set(work[2:]) == {work[2]}


def test_token_history() -> None:
    emissions = [Emission(7, 0, None, 0.1), Emission(0, 400_000, None, 1.0)]
    history = TokenHistory()
    for emission in emissions:
        history.append(emission)
    assert list(history) == emissions
    timed = TokenHistory()
    timed.append(Emission(8191, 3, 4, 0.25))
    assert list(timed) == [Emission(8191, 3, 4, 0.25)]


def test_words_are_a_sequence() -> None:
    history = WordHistory(FRAME)
    history.append(WordSpan("été", 1, 2), 0.5)
    history.append(WordSpan("日本", 3, 5), 0.75)
    first = Word("été", 0.08, 0.16, 0.5)
    second = Word("日本", 0.24, 0.4, 0.75)
    last = Word("x", 0.4, 0.48, 1.0)
    words = Words(history, 2, last)
    assert len(words) == 3
    assert words == (first, second, last)
    assert words == [first, second, last]
    assert words != (first, second)
    assert words[-1] == words[2] == last
    assert words[:2] == (first, second)
    assert list(reversed(words)) == [last, second, first]
    assert second in words
    assert repr(Words(history, 1)) == repr((first,))
    for index in (3, -4):
        with pytest.raises(IndexError):
            words[index]
    # A view stays what it was.
    history.append(WordSpan("y", 6, 7), 0.5)
    assert words == (first, second, last)
