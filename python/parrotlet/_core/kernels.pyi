"""Single operations per instruction set, for tests and benchmarks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parrotlet._core import Model

_Floats = NDArray[np.float32]

class MatrixProduct:
    def __init__(
        self, isa: str, weights: _Floats, type: str, threads: int = 1, activation: str = "none"
    ) -> None: ...
    def __call__(
        self,
        x: _Floats,
        bias: _Floats | None = None,
        residual: _Floats | None = None,
        scale: float = 1.0,
    ) -> _Floats: ...
    def then(self, next: MatrixProduct, x: _Floats, bias: _Floats) -> _Floats: ...

def pack_q8_0(isa: str, rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Up to 16 rows [n, bytes] of blocks as panels [spans, bytes of a panel]."""

def layer_norm(isa: str, x: _Floats, gain: _Floats, bias: _Floats, eps: float) -> _Floats: ...
def silu(isa: str, x: _Floats) -> _Floats: ...
def relu_add(isa: str, a: _Floats, b: _Floats) -> _Floats: ...
def tanh_add(isa: str, a: _Floats, b: _Floats) -> _Floats: ...
def sum_exp(isa: str, x: _Floats, offset: float) -> float:
    """The sum of e^(x - offset) of x [n], none of which is larger than `offset`."""

def lstm_cell(isa: str, gates: _Floats, cell: _Floats) -> tuple[_Floats, _Floats]: ...
def depthwise_conv1d(isa: str, x: _Floats, w: _Floats, bias: _Floats, left: int) -> _Floats: ...
def conv2d(
    isa: str, x: _Floats, w: _Floats, bias: _Floats, left: int, frames: int, bins: int
) -> _Floats: ...
def attention(
    isa: str,
    type: str,
    q: _Floats,
    k: _Floats,
    v: _Floats,
    p: _Floats | None,
    p_first: int,
    bias_u: _Floats,
    bias_v: _Floats,
    key_begin: Sequence[int],
    key_end: Sequence[int],
    global_k: _Floats | None = None,
    global_v: _Floats | None = None,
    dropped: int = 0,
) -> _Floats: ...
def hypotheses(
    model: Model,
    parents: Sequence[Sequence[int]],
    tokens: Sequence[Sequence[int]],
    encoded: _Floats,
) -> _Floats: ...
def peak_products(isa: str, type: str, threads: int) -> float:
    """Multiply-adds per second with weights of a type."""

def peak_read(isa: str, threads: int) -> float:
    """Bytes per second read from memory."""
