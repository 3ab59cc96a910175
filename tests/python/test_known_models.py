"""The table of published checkpoints, and the page that is made of it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from parrotlet import hub, memory
from parrotlet.architectures import preset_sizes
from parrotlet.conversion import synthetic_bytes
from parrotlet.known_models import known_models

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"

BY_NAME = {model.name: model for model in known_models()}


@pytest.fixture(scope="module")
def models_table() -> ModuleType:
    """The script that makes the page's table."""
    spec = importlib.util.spec_from_file_location("models_table", ROOT / "docs" / "models_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_line_is_of_use():
    assert len(BY_NAME) == len(known_models()) > 80
    for model in known_models():
        repository = hub.repository(model.name)
        assert (repository is not None) is model.on_hub, model.name
        assert re.fullmatch(r"[\w./-]+", model.name)
        assert all(re.fullmatch(r"[a-z]{2,3}", code) for code in model.languages)
        # What runs has the structure of a checkpoint that was compared with NeMo.
        assert bool(model.twin) is not bool(model.needs), model.name
        assert not model.twin or (DATA / model.twin / "model.nemo").is_file()


def test_sizes_are_the_planners():
    sizes = preset_sizes()
    for shape in {model.shape for model in known_models() if model.shape}:
        report = memory.plan(shape)
        model = next(model for model in known_models() if model.shape == shape)
        assert model.parameters == report.parameters
        assert model.bytes == report.bytes["q8_0"] + report.buffers
        assert model.bytes == synthetic_bytes(shape, "q8_0")
        assert {m.streaming for m in known_models() if m.shape == shape} == {
            sizes[shape].can_stream
        }


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [
        ("nvidia/parakeet-tdt_ctc-0.6b-ja", 2.49),
        ("nvidia/parakeet-rnnt-1.1b", 4.28),
        ("nvidia/stt_en_fastconformer_ctc_xxlarge", 4.25),
        ("nvidia/stt_en_fastconformer_ctc_xlarge", 2.44),
        ("nvidia/stt_en_fastconformer_ctc_large", 0.463),
        ("nvidia/stt_en_fastconformer_tdt_large", 0.457),
        ("nvidia/stt_fr_fastconformer_hybrid_large_pc", 0.459),
    ],
)
def test_shapes_fit_the_published_files(name, gigabytes):
    """The hub states the sizes of the archives, whose weights are float32."""
    parameters = BY_NAME[name].parameters
    assert parameters is not None
    assert 4 * parameters / 1e9 == pytest.approx(gigabytes, rel=4e-3)


def test_languages():
    v3 = BY_NAME["nvidia/parakeet-tdt-0.6b-v3"]
    assert len(v3.languages) == 25
    assert v3.speaks("de")
    assert v3.speaks("de-AT")
    assert v3.speaks("PT_BR")
    assert not v3.speaks("ja")


def test_the_page_has_the_table(models_table):
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert models_table.with_table(page) == page
    assert all(f"`{model.name}`" in page for model in known_models())
