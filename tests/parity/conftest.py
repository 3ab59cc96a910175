"""Parity tests run once per architecture."""

from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(params=sorted(path.parent.name for path in DATA.glob("*/model.nemo")))
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)
