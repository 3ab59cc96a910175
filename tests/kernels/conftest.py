"""Every kernel test runs once per instruction set that this machine has."""

import numpy as np
import pytest

from parrotlet import _core


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
