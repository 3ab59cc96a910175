"""The state-space matrices of a Legendre memory, for checkpoints that do not store them.

The memory of a signal's last `theta` time steps in `order` Legendre polynomials is the linear
system dm/dt = A m + B u with (Voelker, Kajic and Eliasmith 2019, "Legendre Memory Units",
equations 1 and 2)

    A[i, j] = (2 i + 1) / theta * (-1 if i < j else (-1)^(i - j + 1))
    B[i] = (2 i + 1) / theta * (-1)^i,

discretised by zero-order hold: u is constant for a time step.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Coefficients of the diagonal Pade approximant of e^x of degree 13, and the 1-norm up to which it
# is exact in double precision (Higham 2005, "The Scaling and Squaring Method for the Matrix
# Exponential Revisited", table 2.3).
_PADE = tuple(
    math.factorial(26 - j) // (math.factorial(j) * math.factorial(13 - j)) for j in range(14)
)
_PADE_NORM = 5.371920351148152


def state_space(order: int, theta: float) -> tuple[Matrix, Matrix]:
    """A [order, order] and B [order, 1] for time steps of 1, in double precision."""
    q = np.arange(order, dtype=np.float64)[:, None]
    rate = (2 * q + 1) / theta
    i, j = np.indices((order, order))
    a = rate * np.where(i < j, -1.0, np.where((i - j) % 2, 1.0, -1.0))
    b = rate * (-1.0) ** q
    # exp([[A, B], [0, 0]]) = [[A', B'], [0, 1]]
    held = np.zeros((order + 1, order + 1))
    held[:order, :order], held[:order, order:] = a, b
    held = expm(held)
    return held[:order, :order], held[:order, order:]


def expm(x: Matrix) -> Matrix:
    """e^x of a square matrix, by scaling and squaring."""
    norm = np.abs(x).sum(axis=0).max(initial=0.0)
    halvings = max(0, math.ceil(math.log2(norm / _PADE_NORM))) if norm > 0 else 0
    x = x / 2.0**halvings
    power, square = np.eye(len(x)), x @ x
    even, odd = np.zeros(x.shape), np.zeros(x.shape)
    for j in range(0, 14, 2):
        even += _PADE[j] * power
        odd += _PADE[j + 1] * power
        power = power @ square
    odd = x @ odd
    result = np.asarray(np.linalg.solve(even - odd, even + odd), np.float64)
    for _ in range(halvings):
        result = result @ result
    return result
