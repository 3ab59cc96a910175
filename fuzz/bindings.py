"""Fuzzing of the compiled extension through its bindings: python fuzz/bindings.py [libFuzzer's
options] CORPUS. Needs atheris beside parrotlet.

The bytes choose functions and their arguments: arrays of any shape, type, stride and content, and
numbers of any size. Whatever they are, a call returns or raises TypeError, ValueError, IndexError,
RuntimeError, MemoryError or a ParrotletError; an object that refused a call goes on working.

$PARROTLET_FUZZ_CORE names an extension built with sanitizers (the target `fuzz_bindings`), which
takes the place of the installed one: with it, LD_PRELOAD must name atheris's asan_with_fuzzer.so.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

import atheris  # type: ignore[import-not-found]
import numpy as np

if core := os.environ.get("PARROTLET_FUZZ_CORE"):
    spec = importlib.util.spec_from_file_location("parrotlet._core", core)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parrotlet._core"] = module
    spec.loader.exec_module(module)

import parrotlet
from parrotlet import _core
from parrotlet.model_files import demo_path

REFUSALS = (
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,
    MemoryError,
    parrotlet.ParrotletError,
)
TYPES = ("float32", "float64", "float16", "int16", "int64", "uint8", "bool", "complex64", "object")
SIZES = (0, 1, 2, 3, 16, 31, 32, 33, 80, 256, 257, 320, 400, 640, 1024, 4000)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, 1e-45, 65504.0, -1.0)
NAMES = ("f32", "f16", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0", "q9_9", "", "avx2", "scalar", "\0")
HEADS = ("rnnt", "ctc", "tdt", "")
PROMPTS = (0, 0, 0, 1, -1, 2**31)
BEAMS = (-1, 0, 1, 3, 257, 1 << 40)  # wide ones take longer than a fuzzer waits
MOST = 1 << 16  # elements of an array

model = _core.Model(str(demo_path()), 1)
SCORERS = (
    None,
    _core.decoding.PhraseTree(79, [([1, 2], 1.0), ([3], -1e6)]),
    _core.decoding.PhraseTree(256, [([1, 2], 1e6)] * 2, 1e6),
    _core.decoding.PhraseTree(300, []),
)


class Arguments:
    """Values from the fuzzer's bytes."""

    def __init__(self, data: bytes) -> None:
        """Read from `data`."""
        self._data = atheris.FuzzedDataProvider(data)

    def more(self) -> bool:
        """Whether there are bytes left."""
        return bool(self._data.remaining_bytes() > 0)

    def choose(self, values: Any) -> Any:
        """One of `values`."""
        return values[self._data.ConsumeIntInRange(0, len(values) - 1)]

    def number(self) -> int:
        """An integer, now and then one that no C type holds."""
        kind = self._data.ConsumeIntInRange(0, 7)
        if kind == 0:
            return int(self.choose((-1, 2**31 - 1, 2**31, -(2**31), 2**63, 2**64, -(2**70))))
        return int(self.choose(SIZES) if kind < 4 else self._data.ConsumeIntInRange(-2, 300))

    def array(self, shape: tuple[int, ...] | None = None) -> Any:
        """An array; of the shape that a function wants, if that is given and the bytes agree."""
        if shape is None or self._data.ConsumeIntInRange(0, 3) == 0:
            axes = self._data.ConsumeIntInRange(0, 4)
            shape = tuple(int(self.choose(SIZES)) for _ in range(axes))
            while np.prod(shape, dtype=np.int64) > MOST:
                shape = shape[1:]
        seed = self._data.ConsumeIntInRange(0, 2**16)
        dtype = "float32" if self._data.ConsumeIntInRange(0, 3) else self.choose(TYPES)
        values = np.random.default_rng(seed).standard_normal(shape)
        if values.size and self._data.ConsumeBool():
            values.reshape(-1)[self._data.ConsumeIntInRange(0, values.size - 1)] = self.choose(
                SPECIAL
            )
        with np.errstate(all="ignore"):
            array = values.astype(dtype)
        match self._data.ConsumeIntInRange(0, 5):
            case 0:
                return array.T
            case 1:
                return array[..., ::-1] if array.ndim else array
            case 2:
                return np.repeat(array, 2, axis=0)[::2] if array.ndim else array
        return array


def refused(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call, or None if it was refused."""
    try:
        return call(*arguments)
    except REFUSALS:
        return None


def quantisation(a: Arguments) -> None:
    """Encode and decode."""
    kind = a.choose(NAMES)
    encoded = refused(_core.quantize, a.array((4, 256)), kind)
    refused(_core.dequantize, a.array() if encoded is None else encoded, kind, a.number())
    refused(_core.dequantize, a.array((18, 34)).astype("uint8", copy=False), kind, a.number())


def stages(a: Arguments) -> None:
    """The stages of a model, each with what another gave or with anything."""
    features = refused(model.features, a.array((int(a.choose(SIZES)),)))
    wanted = a.array((int(a.choose(SIZES)), 80)) if features is None else features
    encoded = refused(model.encode, wanted, a.number(), a.number())
    encoded = refused(model.encode, wanted, 70, 13) if encoded is None else encoded
    wanted = a.array((3, 256)) if encoded is None or not a.more() else encoded
    refused(model.ctc_log_probs, wanted)
    refused(model.give_prompt, wanted, a.number())
    options = refused(_core.SearchOptions, a.number()) or _core.SearchOptions(10)
    samples = a.array((int(a.choose(SIZES)),))
    context = a.number(), a.number()
    refused(_core.recognise, model, samples, *context, a.choose(HEADS), options, a.choose(PROMPTS))


def search(a: Arguments) -> None:
    """A search, copies of it, and what is asked after its end; scorers of its vocabulary or not."""
    strategy = a.choose(("greedy_batch", "malsd_batch", "maes_batch", "beam_batch", "beam"))
    beam = refused(_core.BeamOptions, strategy, a.choose(BEAMS)) or _core.BeamOptions(
        "malsd_batch", 3
    )
    scorer = a.choose(SCORERS)
    options = refused(_core.SearchOptions, a.number(), None, scorer, beam)
    options = options or _core.SearchOptions(10)
    running = refused(_core.Search, model, a.choose(HEADS), options)
    if running is None or not a.more():
        running = refused(_core.Search.of_log_probs, a.number(), a.choose(SCORERS))
        running = running or _core.Search.of_log_probs(80, SCORERS[1])
    for _ in range(6):
        refused(running.feed, a.array((int(a.choose(SIZES)), int(a.choose((80, 256))))))
        if a.more():
            running = running.copy()
        if not a.more():
            break
    refused(running.finish)
    refused(running.copy)
    running.alternatives()
    refused(running.feed, a.array((1, 80)))


def stream(a: Arguments) -> None:
    """A stream, also after its end."""
    contexts = (70, -2, 0, 300, 2**16 + 1), (0, 1, 13, 100, -1, 2**31)
    running = refused(_core.Stream, model, *map(a.choose, contexts))
    if running is None:
        running = _core.Stream(model, 70, 13)
    for _ in range(6):
        refused(running.feed, a.array((int(a.choose(SIZES)),)))
        refused(running.set_prompt, a.number())
        if not a.more():
            break
    refused(running.finish)
    refused(running.feed, a.array((400,)))


def kernels(a: Arguments) -> None:
    """Single operations, which tests and benchmarks call."""
    functions = [
        function
        for name, function in sorted(vars(_core.kernels).items())
        if callable(function) and not name.startswith(("_", "peak"))
    ]
    function = a.choose(functions)
    arguments = [a.choose((a.array, a.number))() for _ in range(a.choose(range(9)))]
    refused(function, a.choose(_core.available_isas()), *arguments)
    refused(function, *arguments)


def scorers(a: Arguments) -> None:
    """Phrases and their sums, from any state and token."""
    made = []
    for _ in range(2):
        phrases = [
            ([a.number() for _ in range(a.choose(range(5)))], float(a.choose((*SPECIAL[:7], 1.0))))
            for _ in range(a.choose(range(4)))
        ]
        tree = refused(_core.decoding.PhraseTree, a.choose((8, 300)), phrases, 2.0, 0.5, a.more())
        made.append(tree or _core.decoding.PhraseTree(300, [([1, 2], 1.0)]))
    total = refused(_core.decoding.WeightedSum, [(scorer, float(a.number())) for scorer in made])
    scorer = made[0] if total is None else total
    state = scorer.start()
    for _ in range(6):
        after = refused(scorer.advance, state, a.number())
        state = a.number() if after is None else after
        refused(scorer.scores, state)
        refused(scorer.final_score, state)


def language_model(a: Arguments) -> None:
    """An ARPA reader, also after its end."""
    reader = refused(_core.decoding.ArpaReader, "lm.arpa", a.number())
    if reader is None:
        reader = _core.decoding.ArpaReader("lm.arpa", 300)
    for _ in range(3):
        refused(
            reader.feed,
            a.choose((b"\\data\\\nngram 1=1\n", b"\n", b"\\1-grams:\n", b"-1\t<s>\t0\n")),
        )
    refused(reader.finish)
    refused(reader.feed, b"\\end\\\n")
    refused(reader.finish)


TARGETS = (quantisation, stages, search, stream, kernels, scorers, language_model)


def test_one_input(data: bytes) -> None:
    """Make a few calls; afterwards, the model still does what it should."""
    a = Arguments(data)
    for _ in range(3):
        a.choose(TARGETS)(a)
        if not a.more():
            break


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-rss_limit_mb=2048", "-timeout=20"], test_one_input)
    atheris.Fuzz()
