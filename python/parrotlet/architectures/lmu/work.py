"""Multiply-adds of an LMU model, by stage."""

from __future__ import annotations

from collections import Counter

from parrotlet import _core
from parrotlet.architectures.lmu.sizes import LAYER, Lmu
from parrotlet.architectures.work import REST, Pass, Products, Work


def count_work(file: _core.GgufFile, sizes: Lmu, run: Pass) -> dict[str, Work]:
    """Count what each stage does in a pass through the model in a file."""
    return _LmuWork(file, sizes).count(run)


class _LmuWork:
    """What a pass through the model in a file takes."""

    def __init__(self, file: _core.GgufFile, sizes: Lmu) -> None:
        """Nothing is counted yet."""
        self._products = Products(file)
        self._sizes = sizes

    def count(self, run: Pass) -> dict[str, Work]:
        """Count what each stage does in a pass. Frames wait for each other in the layers and not in
        attention; the layers and the projections around them are the rest, since nothing times
        them by themselves."""
        features = self._sizes.features
        frames = run.samples // features.hop_length
        products = self._products
        work = {
            "mel": products.mel(features, frames),
            REST: products.with_matrices(
                # Of a cell: e_*, W_*, A and B; of an LMUFFT: W_u, W_h, A and B.
                rf"{LAYER}(cell\.)?([AB]|e_[xhm]|W_[xhm]|W_[uh]\.weight)"
                r"|encoder\.(input|output)_projection\.weight",
                frames,
            ),
            "decoding": products.with_matrix("decoder.ctc_projection.weight", frames),
        }
        if self._sizes.attention:
            work["attention"] = self._attention(frames)
        return work

    def _attention(self, frames: int) -> Work:
        """Projections; and for every pair of frames query times key and weight times value, each
        over all heads together as wide as the model."""
        sizes, layer = self._sizes, r"encoder\.attention_layers\.\d+\.attention\."
        kind = self._products.of_attention("encoder.attention_layers.0.attention.w_q.weight")
        products = Counter({kind: sizes.layers * 2 * frames * frames * sizes.d_model})
        return products + self._products.with_matrices(rf"{layer}w_[qkvo]\.weight", frames)
