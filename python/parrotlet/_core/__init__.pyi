"""Types of the compiled extension."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parrotlet._core import decoding as decoding
from parrotlet._core import kernels as kernels
from parrotlet._core import sizes as sizes

def give_back_heap() -> None:
    """Give what is free on the heap back to the system, also between blocks in use."""

def return_large_blocks() -> None:
    """Let freed blocks of a megabyte and more go back to the system at once, in this process."""

def isa() -> str: ...
def available_isas() -> list[str]: ...
def types() -> list[str]: ...
def block_layout(type: str) -> tuple[int, int]: ...
def quantize(array: NDArray[np.float32], type: str) -> NDArray[np.uint8]: ...
def dequantize(data: NDArray[np.uint8], type: str, cols: int) -> NDArray[np.float32]: ...

SILENT_RANGE: float
"""Samples that differ by less are digital silence."""

def is_silent(samples: NDArray[np.float32]) -> bool:
    """Whether samples [n] are digital silence: zeros, or any other constant."""

_Row = tuple[int, int, int | None, float]  # of an Emission: token, frame, duration, confidence
_Alternative = tuple[list[_Row], float]  # tokens, score

def recognise(
    model: Model,
    samples: NDArray[np.float32],
    left: int,
    right: int,
    head: str,
    options: SearchOptions,
    prompt: int = 0,
) -> tuple[list[_Row], list[_Alternative]]:
    """The tokens of samples [n], by a head of the model; and the texts of a beam, best first.
    `prompt` is one of the model's prompts, 0 if it has none."""

class TensorInfo:
    @property
    def name(self) -> str: ...
    @property
    def ne(self) -> tuple[int, ...]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def type(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...

class GgufFile:
    def __init__(self, path: str, any_type: bool = False) -> None:
        """With `any_type` tensors may have types that others write and nothing here computes with.
        Such a tensor has its type's name and no values: `tensor` is a ValueError."""

    @property
    def path(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def alignment(self) -> int: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def entries(self) -> list[tuple[str, str, Any]]:
        """Metadata in the file's order: key, kind ("u32", "str[]"), value with text as bytes."""
    @property
    def tensors(self) -> list[TensorInfo]: ...
    def tensor(self, name: str) -> NDArray[np.float32]: ...

class Model:
    def __init__(self, path: str, threads: int) -> None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def threads(self) -> int: ...
    @property
    def can_stream(self) -> bool: ...
    @property
    def isa(self) -> str: ...
    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def encode(
        self, features: NDArray[np.float32], left: int, right: int, chunk: int = -1
    ) -> NDArray[np.float32]: ...
    def encode_many(
        self, features: Sequence[NDArray[np.float32]], left: int, right: int
    ) -> list[NDArray[np.float32]]:
        """Encode several recordings together; each gives to the bit what `encode` gives."""
    @property
    def prompts(self) -> int:
        """How many there are; 0 for a model without."""
    def give_prompt(self, encoded: NDArray[np.float32], prompt: int) -> NDArray[np.float32]:
        """Encoder output [frames, d_model] with a prompt, as the heads take it."""
    def ctc_log_probs(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def release_scratch(self) -> None: ...
    def start_timing(self) -> None: ...
    def stop_timing(self) -> dict[str, float]: ...

class Stream:
    def __init__(self, model: Model, left: int, right: int, prompt: int = 0) -> None: ...
    def set_prompt(self, prompt: int) -> None:
        """The prompt of the frames that later calls give."""
    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def finish(self) -> NDArray[np.float32]: ...
    @property
    def is_preview(self) -> bool: ...
    def revise(self) -> NDArray[np.float32]: ...

class BufferedStream:
    def __init__(
        self,
        model: Model,
        context: tuple[int, int, int],
        attention: tuple[int, int, int],
        prompt: int = 0,
    ) -> None:
        """Encode windows of `context`, (left, chunk, right) frames, at an (left, right, chunk)
        attention context within a window."""
    def set_prompt(self, prompt: int) -> None: ...
    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def finish(self) -> NDArray[np.float32]: ...
    @property
    def is_preview(self) -> bool: ...
    def revise(self) -> NDArray[np.float32]: ...

STRATEGIES: dict[str, tuple[str, ...]]
"""By head, "ctc", "rnnt" or "tdt": the greedy strategy, that of a beam unless told, others."""

class BeamOptions:
    """NeMo's strategy, "greedy_batch" if there is no beam, and its settings."""

    MOST_HYPOTHESES: int
    def __init__(
        self,
        strategy: str,
        size: int = 4,
        pruning_mode: str = "late",
        blank_lm_score_mode: str = "lm_weighted_full",
        score_norm: bool = True,
        maes_num_steps: int = 2,
        maes_expansion_beta: int = 2,
        maes_expansion_gamma: float = 2.3,
        beam_beta: float = 0.0,
        beam_threshold: float = 20.0,
    ) -> None: ...
    @property
    def strategy(self) -> str: ...
    @property
    def size(self) -> int: ...

class SearchOptions:
    def __init__(
        self,
        max_symbols: int,
        process: Callable[[int, int, NDArray[np.float32]], NDArray[np.float32]] | None = None,
        scorer: decoding.TokenScorer | None = None,
        beam: BeamOptions = ...,
    ) -> None:
        """`max_symbols` bounds the tokens of a transducer per frame; 0 stands for no other bound
        than 100, which there is in any case. `process` is given the frame, how many tokens there
        are before it and the joint's logits [labels, then durations], and returns the logits to go
        on with. `scorer` has a say in which tokens are chosen; a search over a head of another
        vocabulary is a ValueError. `beam` is greedy by default."""

class Search:
    def __init__(self, model: Model, head: str, options: SearchOptions) -> None: ...
    @staticmethod
    def of_log_probs(labels: int, scorer: decoding.TokenScorer | None = None) -> Search:
        """Greedy CTC over log-probabilities [frames, labels], the blank's last."""

    def feed(self, encoded: NDArray[np.float32]) -> tuple[list[_Row], list[_Row]]:
        """Tokens that are settled by now and were not before, and the tentative ones after them."""

    def finish(self) -> list[_Row]:
        """Tokens that are settled because nothing follows."""

    def copy(self) -> Search:
        """A search that stands where this one does, and goes on by itself."""

    @property
    def revises(self) -> bool:
        """Whether tentative tokens may be taken back. If not, there is one of them at most, of
        which only the confidence changes."""

    def alternatives(self) -> list[_Alternative]:
        """After the end, the texts of a beam, the best first: each without what `feed` settled."""

def feed_streams(
    streams: Sequence[Stream],
    searches: Sequence[Search],
    samples: Sequence[NDArray[np.float32] | None],
) -> list[tuple[int, list[_Row], list[_Row]]]:
    """Feed streams of one model, or finish those that have None, and feed their searches with the
    frames that this completes, together. For each stream, the number of those frames and what
    `Search.feed` gives; all to the bit what they give alone."""
