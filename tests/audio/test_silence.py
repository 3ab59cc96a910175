"""Digital silence: no sample but a constant."""

import numpy as np
import pytest

from parrotlet import _core


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        ([], True),
        ([0.0, -0.0, 0.0], True),
        ([0.0, 1e-38, 0.0], True),
        ([0.25] * 999, True),
        ([0.25, 0.25 + 2.0**-24], True),
        ([0.25, 0.25 + 2.0**-22], False),
        ([0.0, np.nan], False),
        ([np.nan] * 3, False),
        ([0.0] * 999 + [-1.0], False),
    ],
)
def test_a_constant_is_silent(samples: list[float], silent: bool) -> None:
    assert _core.is_silent(np.array(samples, np.float32)) is silent
