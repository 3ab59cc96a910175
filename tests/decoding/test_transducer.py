"""Greedy transducer decoding on scripted joints."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from gguf_files import rewrite

from parrotlet import ModelFileError, _core
from parrotlet.decoding.emission import Emission

SYMBOLS_LIMIT = 100
BLANK = -1
Script = Callable[[int, tuple[int, ...]], tuple[int, int]]
LoadTransducer = Callable[[Sequence[int]], _core.Model]


def vocabulary(model: _core.Model) -> int:
    return len(model.metadata["tokenizer.ggml.tokens"])


def frames(model: _core.Model, count: int) -> np.ndarray:
    return np.zeros((count, model.metadata["conformer.embedding_length"]), np.float32)


class Scripted:
    """Answers `script(frame, tokens so far)`, which is (label, index of the duration), in place of
    a model's joint."""

    def __init__(self, model: _core.Model, script: Script) -> None:
        self.script = script
        self.blank = vocabulary(model)
        self.history: tuple[int, ...] = ()
        self.given: list[np.ndarray] = []

    def __call__(self, frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        assert emitted == len(self.history)
        self.given.append(logits.copy())
        label, duration = self.script(frame, self.history)
        logits[:] = 0
        logits[label if label != BLANK else self.blank] = 5
        if len(logits) > self.blank + 1:
            logits[self.blank + 1 + duration] = 3
        if label != BLANK:
            self.history += (label,)
        return logits


@pytest.fixture
def decode(transducer: LoadTransducer) -> Callable[..., list[Emission]]:
    """`decode(script, count, durations, max_symbols, size)`: tokens of `count` frames, `size` of
    them at a time."""

    def decode(
        script: Script,
        count: int,
        durations: Sequence[int] = (),
        max_symbols: int = 10,
        size: int | None = None,
    ) -> list[Emission]:
        model = transducer(durations)
        scripted = Scripted(model, script)
        options = _core.SearchOptions(max_symbols, scripted)
        search = _core.Search(model, "tdt" if durations else "rnnt", options)
        rows = []
        for first in range(0, count, size or count):
            settled, tentative = search.feed(frames(model, min(size or count, count - first)))
            assert tentative == []
            rows += settled
        assert search.finish() == []
        found = [Emission(*row) for row in rows]
        assert scripted.history == tuple(e.token for e in found)
        return found

    return decode


def summary(found: list[Emission]) -> list[tuple[int, int, int | None]]:
    return [(e.token, e.frame, e.duration) for e in found]


def test_only_blanks(decode: Callable[..., list[Emission]]) -> None:
    assert decode(lambda t, y: (BLANK, 0), 5) == []
    assert decode(lambda t, y: (BLANK, 0), 5, durations=[0, 1, 2]) == []


def test_no_frames(transducer: LoadTransducer) -> None:
    model = transducer(())
    search = _core.Search(model, "rnnt", _core.SearchOptions(10))
    assert search.feed(frames(model, 0)) == ([], [])


def test_rnnt_stays_on_a_frame_until_a_blank(decode: Callable[..., list[Emission]]) -> None:
    answers = {(0, 0): 1, (0, 1): 2, (2, 2): 3}
    found = decode(lambda t, y: (answers.get((t, len(y)), BLANK), 0), 4)
    assert summary(found) == [(1, 0, None), (2, 0, None), (3, 2, None)]


def test_the_networks_step_once_per_blank_and_token(transducer: LoadTransducer) -> None:
    """The joint at each of them, and the prediction network, from the blank on, by tokens alone."""
    model = transducer(())
    scripted = Scripted(model, lambda t, y: (1, 0) if t == 2 and not y else (BLANK, 0))
    search = _core.Search(model, "rnnt", _core.SearchOptions(10, scripted))
    search.feed(frames(model, 5))
    before = _core.kernels.hypotheses(model, [], [], frames(model, 1))[0]
    after = _core.kernels.hypotheses(model, [[0]], [[1]], frames(model, 1))[0]
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(scripted.given, [before] * 3 + [after] * 3)


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_max_symbols_leaves_the_frame(limit: int, decode: Callable[..., list[Emission]]) -> None:
    found = decode(lambda t, y: (1, 0), 3, max_symbols=limit)
    assert [e.frame for e in found] == [t for t in range(3) for _ in range(limit)]


def test_unlimited_symbols_still_end(decode: Callable[..., list[Emission]]) -> None:
    for unlimited in (0, 2**32 - 1):
        assert len(decode(lambda t, y: (1, 0), 2, max_symbols=unlimited)) == 2 * SYMBOLS_LIMIT
    some = decode(lambda t, y: (1, 0) if len(y) < 40 else (BLANK, 0), 2, max_symbols=0)
    assert [e.frame for e in some] == [0] * 40


def test_tdt_skips_by_durations(decode: Callable[..., list[Emission]]) -> None:
    answers = {0: (1, 3), 3: (BLANK, 2), 5: (2, 1), 6: (3, 4)}
    for size in (None, 1):
        found = decode(lambda t, y: answers[t], 10, durations=[0, 1, 2, 3, 4], size=size)
        assert summary(found) == [(1, 0, 3), (2, 5, 1), (3, 6, 4)]


def test_tdt_blank_of_duration_zero_advances_by_one(
    decode: Callable[..., list[Emission]],
) -> None:
    seen: list[int] = []

    def script(t: int, y: tuple[int, ...]) -> tuple[int, int]:
        seen.append(t)
        return BLANK, 0

    decode(script, 3, durations=[0, 1])
    assert seen == [0, 1, 2]


def test_tdt_duration_zero_counts_towards_max_symbols(
    decode: Callable[..., list[Emission]],
) -> None:
    found = decode(lambda t, y: (1, 0), 3, durations=[0, 1], max_symbols=2)
    assert [e.frame for e in found] == [0, 0, 1, 1, 2, 2]


def test_tdt_count_of_symbols_begins_anew_on_each_frame(
    decode: Callable[..., list[Emission]],
) -> None:
    """Two tokens of duration 0 and one that leaves the frame never reach a limit of 3."""
    found = decode(lambda t, y: (1, int(len(y) % 3 == 2)), 4, durations=[0, 1], max_symbols=3)
    assert [e.frame for e in found] == [t for t in range(4) for _ in range(3)]


@pytest.mark.parametrize("durations", [[1, 2, 3], [2], [4, 1], [0, 2, 8]])
def test_any_list_of_durations(durations: list[int], decode: Callable[..., list[Emission]]) -> None:
    found = decode(lambda t, y: (len(y) % 4, len(y) % len(durations)), 40, durations, max_symbols=1)
    time = 0
    for i, emission in enumerate(found):
        duration = durations[i % len(durations)]
        assert summary([emission]) == [(i % 4, time, duration)]
        time += duration or 1
    assert time >= 40


def random_script(seed: int, durations: int) -> Script:
    def script(t: int, y: tuple[int, ...]) -> tuple[int, int]:
        source = random.Random(hash((seed, t, y[-3:], len(y))))
        label = source.choice([BLANK, BLANK, source.randrange(4)])
        return label, source.randrange(durations) if durations else 0

    return script


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("durations", [[], [0, 1, 2, 3, 4], [1, 7]])
@pytest.mark.parametrize("size", [1, 3, 10])
def test_pieces_give_what_the_whole_gives(
    seed: int, durations: list[int], size: int, decode: Callable[..., list[Emission]]
) -> None:
    count = _core.sizes.SEARCH_FRAMES + 50  # more than is taken at a time
    script = random_script(seed, len(durations))
    whole = decode(script, count, durations)
    assert decode(script, count, durations, size=size) == whole
    assert len(whole) > 3


def test_confidence_leaves_durations_out(transducer: LoadTransducer) -> None:
    """max_prob over the labels alone: (p^a N^a - 1) / (N^a - 1) with NeMo's a = 0.33."""
    model = transducer((0, 1))
    labels = vocabulary(model) + 1
    values = np.random.default_rng(0).standard_normal(labels + 5).astype(np.float32)
    values[1], values[labels + 1 :] = 4, 9
    search = _core.Search(model, "tdt", _core.SearchOptions(10, lambda frame, emitted, z: values))
    ((token, frame, duration, confidence),) = search.feed(frames(model, 1))[0]
    assert (token, frame, duration) == (1, 0, 1)
    logits = values[:labels].astype(np.float64)
    p = np.exp(logits[1]) / np.exp(logits).sum()
    scale = labels**0.33
    assert confidence == pytest.approx((p**0.33 * scale - 1) / (scale - 1), abs=1e-12)


def test_what_a_processor_does_wrong_is_raised(transducer: LoadTransducer) -> None:
    model = transducer(())

    def failing(frame: int, emitted: int, logits: np.ndarray) -> np.ndarray:
        raise KeyError("nothing")

    for process, error in ((failing, KeyError), (lambda t, n, z: z[:-1], ValueError)):
        search = _core.Search(model, "rnnt", _core.SearchOptions(10, process))
        with pytest.raises(error):
            search.feed(frames(model, 1))


def test_a_head_that_is_not_there(transducer: LoadTransducer) -> None:
    with pytest.raises(ValueError, match="the model has no head 'tdt'"):
        _core.Search(transducer(()), "tdt", _core.SearchOptions(10))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conformer.tdt.durations": [0, 1, 2]}, r"the tensor joint\.joint_net\.2"),
        ({"conformer.heads": ["rnnt"]}, r"the tensor joint\.joint_net\.2"),
        ({"conformer.tdt.durations": [0, 1, 2, 3, -1]}, "durations is -1, outside 0 to 32767"),
        ({"conformer.tdt.durations": [0, 1, 2, 3, 2**20]}, "durations is 1048576, outside"),
    ],
)
def test_outputs_that_the_joint_does_not_have_are_named(
    changes: dict[str, list], message: str, converted: Callable[[str, str], Path], tmp_path: Path
) -> None:
    target = tmp_path / "wrong.gguf"
    rewrite(converted("parakeet-tdt-0.6b-v3", "f32"), target, changes)
    with pytest.raises(ModelFileError, match=rf"wrong\.gguf: .*{message}"):
        _core.Model(str(target), 1)
