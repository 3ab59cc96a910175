"""Features of recordings that are longer than what is transformed at once (two minutes)."""

import numpy as np

import parrotlet


def test_blocks_leave_no_trace(converted) -> None:
    """A cut-out gives the same frames to the bit, but for the first and the last of them."""
    model = parrotlet.load(converted("nemotron-speech-streaming-en-0.6b", "f32"), threads=1)
    hop, block = 160, 48 * 256  # samples, frames
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (block + 100) * hop + 17).astype(np.float32)
    features = model.features(samples)
    assert len(features) == block + 100
    for begin, end in ((block - 50, block + 50), (block - 60, block + 100)):
        cut = model.features(samples[begin * hop : end * hop + 17])
        last = -3 if end < len(features) else None
        np.testing.assert_array_equal(cut[3:last], features[begin + 3 : end][:last])
