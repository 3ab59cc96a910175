"""Multiply-adds of a Conformer, by stage."""

from __future__ import annotations

from collections import Counter

from parrotlet import _core
from parrotlet.architectures.conformer.reduction import MODULE
from parrotlet.architectures.conformer.sizes import Conformer, Encoder
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import OUTPUT_LAYER
from parrotlet.architectures.tensors import CTC_HEAD
from parrotlet.architectures.work import Pass, Products, Work


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
        sizes, encoder = self._sizes, self._sizes.encoder
        frames = run.samples // sizes.features.hop_length
        entered = encoder.subsampling.lengths(frames)[-1]
        runs = _runs(encoder, entered)
        subsampling = self._subsampling(
            "encoder.pre_encode.", encoder.subsampling, frames, sizes.features.mel_bands
        )
        striding = encoder.reduction and encoder.reduction.convolutions(encoder.d_model)
        if striding:
            subsampling += self._subsampling(MODULE, striding, entered, encoder.d_model)
        return {
            "mel": self._products.mel(sizes.features, frames),
            "subsampling": subsampling,
            "attention": self._attention(runs, run.context),
            "feed_forward": self._blocks(r"feed_forward[12]\.linear[12]", runs),
            "convolution": self._blocks(r"conv\.(pointwise_conv[12]|depthwise_conv)", runs),
            "decoding": self._decoding(encoder.reduced(entered), run),
        }

    def _blocks(self, pattern: str, runs: list[tuple[range, int]]) -> Work:
        """The matrices of all blocks whose names match, over the frames that each has."""
        work: Work = Counter()
        for blocks, frames in runs:
            if blocks:
                block = rf"encoder\.layers\.({'|'.join(map(str, blocks))})\."
                work += self._products.with_matrices(rf"{block}{pattern}\.weight", frames)
        return work

    def _subsampling(self, name: str, subsampling: Subsampling, frames: int, width: int) -> Work:
        """A ConvSubsampling of so many frames as wide as `width`."""
        # Places in NeMo's Sequential: docs/format.md.
        lengths, bins = subsampling.lengths(frames), subsampling.lengths(width)
        work = self._products.with_matrix(f"{name}out.weight", lengths[-1])
        for stage in range(1, len(lengths)):
            pixels = lengths[stage] * bins[stage]
            if stage == 1:
                places = [0]
            elif subsampling.separable:
                places = [3 * stage - 4, 3 * stage - 3]
            else:
                places = [2 * stage - 2]
            for place in places:
                work += self._products.with_matrix(f"{name}conv.{place}.weight", pixels)
        return work

    def _attention(self, runs: list[tuple[range, int]], context: tuple[int, int]) -> Work:
        """Projections; and for every pair of frames query times key, query times position, and
        weight times value, each over all heads together as wide as the model."""
        encoder = self._sizes.encoder
        pairs = sum(len(blocks) * encoder.visible_pairs(context, frames) for blocks, frames in runs)
        # Quantised models that do not stream have keys, values and positions in bytes as well.
        kind = self._products.of_attention(
            "encoder.layers.0.self_attn.linear_q.weight", in_bytes=not encoder.chunked
        )
        products = Counter({kind: 3 * pairs * encoder.d_model})
        return products + self._blocks(r"self_attn\.linear_(q|k|v|out)", runs)

    def _decoding(self, encoded: int, run: Pass) -> Work:
        products = self._products
        prompts = products.with_matrices(r"prompt_kernel\.[02]\.weight", encoded)
        if run.head == "ctc":
            return prompts + products.with_matrix(f"{CTC_HEAD}.decoder_layers.0.weight", encoded)
        updates = run.steps.predictor + 1  # the first is that of the blank
        work = prompts + products.with_matrix("joint.enc.weight", encoded)
        work += products.with_matrix(f"joint.joint_net.{OUTPUT_LAYER}.weight", run.steps.joint)
        work += products.with_matrix("joint.pred.weight", updates)
        lstm = r"decoder\.prediction\.dec_rnn\.lstm\.weight_[ih]h_l\d+"
        return work + products.with_matrices(lstm, updates)


def _runs(encoder: Encoder, frames: int) -> list[tuple[range, int]]:
    """Indices of blocks that have as many frames, and how many these are, where `frames` enter the
    first."""
    first = encoder.reduction.position + 1 if encoder.reduction else encoder.layers
    blocks = range(encoder.layers)
    return [(blocks[:first], frames), (blocks[first:], encoder.reduced(frames))]
