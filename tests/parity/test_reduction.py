"""Encoders with fewer frames from one of their blocks on.

`test_nemo.py` has the reduction by convolutions, whose checkpoint is among the architectures.
"""

import numpy as np
import pytest
from nemo_files import read_members, tar_bytes

import parrotlet
from parrotlet import _core

BASE = "parakeet-ctc-0.6b"


@pytest.fixture
def pooling(data_dir, tmp_path):
    """`pooling(factor, position)`: a CTC model that keeps the largest of so many frames."""

    def load(factor, position, threads=1):
        members = read_members(data_dir / BASE / "model.nemo")
        config = members["model_config.yaml"]
        for key, old, new in (
            ("reduction", b"null", b"pooling"),
            ("reduction_position", b"null", b"%d" % position),
            ("reduction_factor", b"1", b"%d" % factor),
        ):
            line = b"  %s: " % key.encode()
            assert config.count(line + old + b"\n") == 1
            config = config.replace(line + old + b"\n", line + new + b"\n")
        checkpoint = tmp_path / f"{factor}{position}.nemo"
        checkpoint.write_bytes(tar_bytes({**members, "model_config.yaml": config}))
        path = tmp_path / f"{factor}{position}.gguf"
        parrotlet.convert(checkpoint, path, type="f32")
        return parrotlet.load(path, threads=threads)

    return load


@pytest.mark.parametrize("position", [0, -1])
@pytest.mark.parametrize("factor", [2, 3])
def test_pooling(factor, position, run, pooling, data_dir):
    model = pooling(factor, position, run)
    features = np.load(data_dir / BASE / "clip01.npz")["features"]
    expected = np.load(data_dir / "pooling.npz")[f"encoder_{factor}_{position}"]
    encoded = model.encode(features)
    assert encoded.shape == expected.shape
    assert np.abs(encoded - expected).max() < 2e-3
    assert model.frame_seconds == pytest.approx(0.08 * factor)


@pytest.mark.parametrize("frames", [1, 8, 9, 16, 17, 40])
def test_few_frames(frames, pooling):
    model = pooling(2, 0)
    features = np.random.default_rng(0).standard_normal((frames, 80)).astype(np.float32)
    assert model.encode(features).shape == (-(-frames // 8) // 2, 64)


@pytest.mark.parametrize("architecture", ["pooling", "fastconformer-striding-reduction"])
def test_recordings_together_are_as_alone(architecture, pooling, converted, data_dir):
    if architecture == "pooling":
        model = pooling(2, 0)
    else:
        model = parrotlet.load(converted(architecture, "q8_0"), threads=2)
    features = np.load(data_dir / BASE / "clip01.npz")["features"]
    parts = [features, features[:100], features[:9], features[7:150]]
    together = model._core.encode_many(parts, -1, -1)
    for part, encoded in zip(parts, together, strict=True):
        np.testing.assert_array_equal(encoded, model._core.encode(part, -1, -1))


def test_planned_frames_are_those_that_come(pooling):
    model = pooling(3, 0)
    samples = np.zeros(16_000, np.float32)
    frames, encoded, _ = _core.sizes.Planner.of(model._core).recording(len(samples), -1, -1)
    assert (frames, encoded) == (100, len(model.encode(model.features(samples))))
