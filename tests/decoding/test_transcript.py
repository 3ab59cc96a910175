"""Text and words kept up token by token, against what all tokens give at once."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from counting_tokenizer import CountingTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet import Word
from parrotlet.decoding.assemble import assemble
from parrotlet.decoding.emission import Emission
from parrotlet.decoding.history import TokenHistory, WordHistory, Words
from parrotlet.decoding.languages import Languages
from parrotlet.decoding.partial import Event
from parrotlet.decoding.timestamps import WordSpan
from parrotlet.decoding.tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, TokenType
from parrotlet.decoding.transcript import Transcript

FRAME = 0.08
HEADS = ["ctc", "rnnt", "tdt"]

# What is awkward: punctuation with and without a space, a lone space, half characters, markers.
PIECES = {
    TokenType.UNKNOWN: ["<unk>"],
    TokenType.CONTROL: ["<s>"],
    TokenType.USER_DEFINED: ["<EOU>", "<EOB>", "<en-US>", "<de-DE>"],
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


@pytest.mark.parametrize("keep_tags", [False, True])
@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("head", HEADS)
def test_any_division_gives_what_all_tokens_give(kind: str, head: str, keep_tags: bool) -> None:
    tokenizer, languages = TOKENIZERS[kind], Languages(keep_tags=keep_tags)
    for seed in range(250):
        source = random.Random(seed)
        emissions = random_emissions(tokenizer, head, source)
        transcript = Transcript(head, tokenizer, FRAME, revises=False, keep_tags=keep_tags)
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
            expected = assemble(shown, head, tokenizer, FRAME, languages)
            assert partials[-1].text == expected.text
            assert partials[-1].words == expected.words
        transcript.extend(emissions[done - len(tentative) :])
        transcript.close()
        partials.append(transcript.partial(0.0))

        expected = assemble(emissions, head, tokenizer, FRAME, languages)
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


Delivery = tuple[list[Emission], list[Emission]]


@st.composite
def deliveries(draw: st.DrawFn, tokenizer: Tokenizer) -> list[Delivery]:
    """What a beam settles call by call, and what it takes to follow, which may be anything."""
    token = st.integers(0, len(tokenizer.pieces) - 1)
    row = st.tuples(token, st.integers(0, 3), st.integers(0, 4), st.floats(0, 1))
    rows = st.lists(row, max_size=8)
    frame, found = 0, []

    def placed(frame: int, rows: list[tuple[int, int, int, float]]) -> list[Emission]:
        emissions = []
        for token, advance, duration, confidence in rows:
            frame += advance
            emissions.append(Emission(token, frame, duration, confidence))
        return emissions

    for settled_rows, tentative_rows in draw(st.lists(st.tuples(rows, rows), max_size=8)):
        settled = placed(frame, settled_rows)
        frame = settled[-1].frame if settled else frame
        found.append((settled, placed(frame, tentative_rows)))
    return found


def check_deliveries(tokenizer: Tokenizer, head: str, delivered: list[Delivery]) -> None:
    transcript = Transcript(head, tokenizer, FRAME)
    certain = Transcript(head, tokenizer, FRAME)
    settled: list[Emission] = []
    partials = []
    for new, tentative in [*delivered, ([], [])]:
        settled += new
        transcript.extend(new, tentative)
        certain.extend(new)
        partials.append(transcript.partial(0.0))
        whole = assemble([*settled, *tentative], head, tokenizer, FRAME)
        assert (partials[-1].text, partials[-1].words) == (whole.text, whole.words)
        assert list(transcript.emissions()) == [*settled, *tentative]
        # Nothing is final but what the settled tokens alone make final.
        expected = certain.partial(0.0)
        assert partials[-1].final == expected.final
        for name in ("new_words", "new_lines", "events"):
            assert getattr(partials[-1], name) == getattr(expected, name)
    transcript.close()
    partials.append(transcript.partial(0.0))
    whole = assemble(settled, head, tokenizer, FRAME)
    assert partials[-1].final == partials[-1].text == whole.text
    assert partials[-1].words == whole.words
    assert sum((partial.new_words for partial in partials), ()) == whole.words
    for before, after in pairwise(partials):
        assert after.final.startswith(before.final)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from(HEADS))
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_tentative_tokens_may_become_any_others(kind: str, data: st.DataObject, head: str) -> None:
    check_deliveries(TOKENIZERS[kind], head, data.draw(deliveries(TOKENIZERS[kind])))


def emitted(*pieces: str, first: int = 0) -> list[Emission]:
    tokenizer = TOKENIZERS["spm"]
    return [Emission(tokenizer.pieces.index(p), first + i, None, 0.5) for i, p in enumerate(pieces)]


def test_tentative_words_and_events_are_not_final() -> None:
    transcript = Transcript("rnnt", TOKENIZERS["spm"], FRAME)
    transcript.extend(emitted("▁cd"), emitted("▁a", "x", "<EOU>", "▁E", ".", first=1))
    partial = transcript.partial(0.0)
    assert (partial.final, partial.unfinished) == ("", "cd ax E.")
    assert [word.word for word in partial.words] == ["cd", "ax", "E."]
    assert (partial.new_words, partial.new_lines, partial.events) == ((), ("",), ())
    # Another hypothesis, shorter, which shares the first word only.
    transcript.extend(emitted("▁a", first=1), emitted("b", first=2))
    partial = transcript.partial(0.0)
    assert (partial.final, partial.unfinished) == ("cd", " ab")
    assert [word.word for word in partial.words] == ["cd", "ab"]
    assert [word.word for word in partial.new_words] == ["cd"]
    # Everything tentative is taken back, and an utterance ends.
    transcript.extend(emitted("<EOU>", first=3))
    partial = transcript.partial(0.0)
    assert (partial.final, partial.unfinished, partial.text) == ("cd a", "", "cd a")
    assert partial.events == (Event("EOU", 0.24),)
    transcript.close()
    assert transcript.partial(0.0).words == partial.words


def test_what_a_call_of_extend_shows_is_replaced_by_the_next_one() -> None:
    """Also when nothing is asked in between."""
    transcript = Transcript("ctc", TOKENIZERS["spm"], FRAME)
    transcript.extend([], emitted("▁a", "▁cd", "▁E"))
    transcript.extend([], emitted("▁cd"))
    assert transcript.partial(0.0).text == "cd"
    transcript.extend([])
    assert transcript.partial(0.0).text == ""


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
    transcript = Transcript("ctc", tokenizer, FRAME, revises=False)
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
    transcript = Transcript("ctc", tokenizer, FRAME, revises=False)
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
    transcript = Transcript("ctc", tokenizer, FRAME, revises=False)
    first, second = (Emission(tokenizer.pieces.index(p), 0, None, 0.9) for p in ("▁a", "▁cd"))
    transcript.extend([first], [second])
    partial = transcript.partial(0.0)
    assert (partial.final, partial.unfinished) == ("a", " cd")
    assert [word.word for word in partial.new_words] == ["a"]


@pytest.mark.parametrize("tentative", [(), ("x", "▁a", ".", "▁cd", "<EOU>", "▁E")])
def test_work_depends_on_new_and_tentative_tokens_alone(tentative: tuple[str, ...]) -> None:
    """Counts the tokens that are decoded to text, at the start of a long stream and at its end."""

    kinds = [kind for kind, pieces in PIECES.items() for _ in pieces]
    tokenizer = CountingTokenizer(TOKENIZERS["spm"].pieces, kinds)
    transcript = Transcript("rnnt", tokenizer, FRAME)
    work = []
    for step in range(2000):
        before = tokenizer.tokens
        tokens = [tokenizer.pieces.index(piece) for piece in ("▁cd", "b")]
        transcript.extend(
            [Emission(token, step, None, 0.5) for token in tokens], emitted(*tentative, first=step)
        )
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
    words = Words(history, 2, [last])
    assert len(words) == 3
    assert words == (first, second, last)
    assert words == [first, second, last]
    assert words != (first, second)
    assert words[-1] == words[2] == last
    assert words[:2] == (first, second)
    assert list(reversed(words)) == [last, second, first]
    assert second in words
    assert repr(Words(history, 1)) == repr((first,))
    assert list(Words(history, 1, [last, second])) == [first, last, second]
    for index in (3, -4):
        with pytest.raises(IndexError):
            words[index]
    # A view stays what it was.
    history.append(WordSpan("y", 6, 7), 0.5)
    assert words == (first, second, last)
