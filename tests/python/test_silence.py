"""Digital silence: no sample but zeros."""

import numpy as np
import pytest

from parrotlet import _core


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        ([], True),
        ([0.0, -0.0, 0.0], True),
        ([0.0, 1e-38, 0.0], False),
        ([0.0, np.nan], False),
        ([0.0] * 999 + [-1.0], False),
    ],
)
def test_only_zeros_are_silent(samples: list[float], silent: bool) -> None:
    assert _core.is_silent(np.array(samples, np.float32)) is silent
