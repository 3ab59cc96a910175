"""The loops that measure what the machine does at most."""

import pytest

from parrotlet import _core

kernels = _core.kernels

# No processor is outside: a loop that the compiler removed would seem to be.
SLOWEST, FASTEST = 1e6, 1e13


@pytest.mark.parametrize("type", ["f32", "q8_0", "q4_0"])
def test_products(isa, type):
    assert SLOWEST < kernels.peak_products(isa, type, 1) < FASTEST


def test_read(isa):
    assert SLOWEST < kernels.peak_read(isa, 2) < FASTEST


def test_unknown(isa):
    with pytest.raises(ValueError, match="type 'q9_9' is unknown; known are f32, f16, q8_0"):
        kernels.peak_products(isa, "q9_9", 1)
    with pytest.raises(ValueError, match="instruction set 'z80' is not available here"):
        kernels.peak_read("z80", 1)
