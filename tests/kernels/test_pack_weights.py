"""Rows of q8_0 as panels: the same bytes from every table, and those that the definition gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from parrotlet import _core

kernels = _core.kernels
PANEL, BLOCK, SPAN = 16, 32, 128


def blocks_of(scales: NDArray[np.float16], quants: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Rows of blocks as files have them, for scales [rows, blocks] and quants [.., 32]."""
    parts = scales[..., None].view(np.uint8), quants.view(np.uint8)
    return np.concatenate(parts, axis=-1).reshape(len(scales), -1)


def expected(
    scales: NDArray[np.float16], quants: NDArray[np.int8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scales [spans, 16] and quants [spans, 16, 128]."""
    rows, count = scales.shape
    spans = -(-count * BLOCK // SPAN)
    wide = np.zeros((PANEL, spans, 4), np.float32)
    wide.reshape(PANEL, -1)[:rows, :count] = scales
    values = np.zeros((PANEL, spans, 4, BLOCK), np.int64)
    values.reshape(PANEL, -1, BLOCK)[:rows, :count] = quants
    largest = np.where(np.isnan(wide).any(-1), np.nan, np.abs(wide).max(-1))
    usable = np.isfinite(largest) & (largest > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = wide / largest[..., None].astype(np.float32)
    ratios = np.where(usable[..., None], ratios, 0).astype(np.float32)
    factors = (ratios * np.float32(32767)).astype(np.int64)
    scaled = np.minimum((values * factors[..., None] + (1 << 14)) >> 15, 127) + 128
    packed = scaled.reshape(PANEL, spans, SPAN).astype(np.uint8)
    return largest.T.astype(np.float32), packed.transpose(1, 0, 2)


def check(isa: str, scales: NDArray[np.float16], quants: NDArray[np.int8]) -> None:
    panels = kernels.pack_q8_0(isa, blocks_of(scales, quants))
    want_scales, want_quants = expected(scales, quants)
    found = panels[:, : 4 * PANEL].copy().view(np.float32)
    np.testing.assert_array_equal(found, want_scales)
    stored = panels[:, 4 * PANEL :].reshape(len(panels), SPAN // 4, PANEL, 4)
    np.testing.assert_array_equal(
        stored.transpose(0, 2, 1, 3).reshape(len(panels), PANEL, SPAN), want_quants
    )


@pytest.mark.parametrize("rows", [1, 7, 16])
@pytest.mark.parametrize("blocks", [1, 3, 4, 5, 32, 34])
def test_equals_the_definition(isa: str, rng: np.random.Generator, rows: int, blocks: int) -> None:
    scales = rng.uniform(0, 0.1, (rows, blocks)).astype(np.float16)
    check(isa, scales, rng.integers(-127, 128, (rows, blocks, BLOCK)).astype(np.int8))


def test_every_quant_keeps_its_value_with_the_largest_scale(isa: str) -> None:
    quants = np.arange(-128, 128, dtype=np.int64).astype(np.int8).reshape(1, 8, BLOCK)
    scales = np.full((1, 8), 0.5, np.float16)
    check(isa, scales, quants)
    assert set(expected(scales, quants)[1][:, 0].ravel()) == set(range(256))


@pytest.mark.parametrize(
    "scale", [0.0, -0.0, -0.25, 6e-8, 65504.0, np.inf, -np.inf, np.nan], ids=str
)
def test_scales_of_any_kind(isa: str, rng: np.random.Generator, scale: float) -> None:
    """Beside ordinary ones, and alone; -128 in a block of negative scale becomes 127."""
    quants = rng.integers(-128, 128, (16, 8, BLOCK)).astype(np.int8)
    quants[:, :, 0] = -128
    scales = np.full((16, 8), scale, np.float16)
    scales[:8, 1:] = rng.uniform(0, 0.1, (8, 7)).astype(np.float16)
    check(isa, scales, quants)
