"""Multiply-adds of a Conformer, by stage."""

from __future__ import annotations

from collections import Counter

from parrotlet import _core
from parrotlet.architectures.conformer.sizes import Conformer
from parrotlet.architectures.conformer.transducer import OUTPUT_LAYER
from parrotlet.architectures.tensors import CTC_HEAD
from parrotlet.architectures.work import Pass, Products, Work

_BLOCK = r"encoder\.layers\.\d+\."


def count_work(file: _core.GgufFile, sizes: Conformer, run: Pass) -> dict[str, Work]:
    """Count what each stage does in a pass through the model in a file."""
    return _ConformerWork(file, sizes).count(run)


class _ConformerWork:
    """What a pass through the model in a file takes."""

    def __init__(self, file: _core.GgufFile, sizes: Conformer) -> None:
        """Nothing is counted yet."""
        self._products = Products(file)
        self._sizes = sizes

    def count(self, run: Pass) -> dict[str, Work]:
        """Count what each stage does in a pass."""
        frames = run.samples // self._sizes.features.hop_length
        subsampling = self._sizes.encoder.subsampling
        lengths = subsampling.lengths(frames)
        encoded = lengths[-1]
        return {
            "mel": self._products.mel(self._sizes.features, frames),
            "subsampling": self._subsampling(lengths),
            "attention": self._attention(encoded, run.context),
            "feed_forward": self._blocks(r"feed_forward[12]\.linear[12]", encoded),
            "convolution": self._blocks(r"conv\.(pointwise_conv[12]|depthwise_conv)", encoded),
            "decoding": self._decoding(encoded, run),
        }

    def _blocks(self, pattern: str, times: int) -> Work:
        """The matrices of all blocks whose names match."""
        return self._products.with_matrices(rf"{_BLOCK}{pattern}\.weight", times)

    def _subsampling(self, lengths: list[int]) -> Work:
        # Places in NeMo's Sequential: docs/format.md.
        subsampling = self._sizes.encoder.subsampling
        bins = subsampling.lengths(self._sizes.features.mel_bands)
        work = self._products.with_matrix("encoder.pre_encode.out.weight", lengths[-1])
        for stage in range(1, len(lengths)):
            pixels = lengths[stage] * bins[stage]
            if stage == 1:
                places = [0]
            elif subsampling.separable:
                places = [3 * stage - 4, 3 * stage - 3]
            else:
                places = [2 * stage - 2]
            for place in places:
                name = f"encoder.pre_encode.conv.{place}.weight"
                work += self._products.with_matrix(name, pixels)
        return work

    def _attention(self, encoded: int, context: tuple[int, int]) -> Work:
        """Projections; and for every pair of frames query times key, query times position, and
        weight times value, each over all heads together as wide as the model."""
        encoder = self._sizes.encoder
        pairs = encoder.visible_pairs(context, encoded)
        # Quantised models that do not stream have keys, values and positions in bytes as well.
        kind = self._products.of_attention(
            "encoder.layers.0.self_attn.linear_q.weight", in_bytes=not encoder.chunked
        )
        products = Counter({kind: encoder.layers * 3 * pairs * encoder.d_model})
        return products + self._blocks(r"self_attn\.linear_(q|k|v|out)", encoded)

    def _decoding(self, encoded: int, run: Pass) -> Work:
        products = self._products
        if run.head == "ctc":
            return products.with_matrix(f"{CTC_HEAD}.decoder_layers.0.weight", encoded)
        updates = run.steps.predictor + 1  # the first is that of the blank
        work = products.with_matrix("joint.enc.weight", encoded)
        work += products.with_matrix(f"joint.joint_net.{OUTPUT_LAYER}.weight", run.steps.joint)
        work += products.with_matrix("joint.pred.weight", updates)
        lstm = r"decoder\.prediction\.dec_rnn\.lstm\.weight_[ih]h_l\d+"
        return work + products.with_matrices(lstm, updates)
