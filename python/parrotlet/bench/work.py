"""Multiply-adds of a model, counted from the shapes in its file.

Counted is what the model's definition asks for: products of weights and of attention, once for
every frame that needs them. Not counted are additions of biases, normalisations and activations,
what padding to blocks or overlapping chunks adds, and the projections of relative positions, which
depend on the length of a recording and not on what is in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parrotlet import _core
from parrotlet.bench.pacing import Steps
from parrotlet.errors import UnsupportedModelError

STAGES = ("mel", "subsampling", "attention", "feed_forward", "convolution", "decoding")

FLOATS, BYTES = "f32", "q8_0"
"""The types of weights as which products of activations with each other are counted."""

Work = Counter[str]
"""Multiply-adds by the type of the weights."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over a recording: its length, how it is attended to, and how it is decoded.

    `context` is (left, right) in encoder frames, -1 for no limit; `decoder` is "ctc", "rnnt" or
    "tdt", of which the latter two take `steps`.
    """

    samples: int
    context: tuple[int, int]
    decoder: str
    steps: Steps


def count(file: _core.GgufFile, run: Pass) -> dict[str, Work]:
    """Count what each of STAGES does in a pass.

    Raises UnsupportedModelError for a family of models that this does not know.
    """
    family = file.metadata.get("general.architecture")
    if family != "conformer":
        raise UnsupportedModelError(
            f"{file.path}: the multiply-adds of a {family} model cannot be counted; "
            "bench knows conformer models"
        )
    return _Conformer(file).count(run)


def visible_pairs(frames: int, context: tuple[int, int], chunked: bool) -> int:
    """Pairs of a query and a key that it sees, as NeMo's ConformerEncoder._create_masks has it.

    With `chunked`, a frame sees its chunk of right + 1 frames and the left / (right + 1) before.
    """
    left, right = context
    query = np.arange(frames)
    begin = query - left if left >= 0 else np.zeros_like(query)
    end = query + right + 1 if right >= 0 else np.full_like(query, frames)
    if chunked and right >= 0:
        chunk = right + 1
        first = query // chunk * chunk
        begin = first - left // chunk * chunk if left >= 0 else np.zeros_like(query)
        end = first + chunk
    return int((end.clip(max=frames) - begin.clip(min=0)).sum())


class _Conformer:
    """The tensors and settings that `docs/format.md` describes."""

    def __init__(self, file: _core.GgufFile) -> None:
        self._metadata: Mapping[str, Any] = file.metadata
        self._tensors = {tensor.name: tensor for tensor in file.tensors}

    def count(self, run: Pass) -> dict[str, Work]:
        frames = run.samples // self._setting("features.hop_length")
        lengths, bins = self._grid(frames)
        encoded = lengths[-1]
        return {
            "mel": self._mel(frames),
            "subsampling": self._subsampling(lengths, bins),
            "attention": self._attention(encoded, run.context),
            "feed_forward": self._layers(r"feed_forward[12]\.linear[12]", encoded),
            "convolution": self._layers(r"conv\.(pointwise_conv[12]|depthwise_conv)", encoded),
            "decoding": self._decoding(encoded, run),
        }

    def _setting(self, key: str) -> Any:
        return self._metadata[f"conformer.{key}"]

    def _product(self, name: str, times: int) -> Work:
        """`times` vectors multiplied with a matrix, or positions of a convolution."""
        tensor = self._tensors[name]
        return Counter({tensor.type: times * math.prod(tensor.shape)})

    def _layers(self, pattern: str, times: int) -> Work:
        """The matrices of all blocks whose names match."""
        name = re.compile(rf"encoder\.layers\.\d+\.{pattern}\.weight")
        return _sum(self._product(n, times) for n in self._tensors if name.fullmatch(n))

    def _mel(self, frames: int) -> Work:
        """The Fourier transform, computed as a product of windowed sines and cosines, and the
        filterbank."""
        bins = self._setting("features.n_fft") // 2 + 1
        transform = frames * 2 * bins * self._setting("features.window_length")
        return Counter({FLOATS: transform}) + self._product("preprocessor.featurizer.fb", frames)

    def _grid(self, frames: int) -> tuple[list[int], list[int]]:
        """Frames and frequency bins before the subsampling and after each of its stages."""
        padding = 3 if self._setting("subsampling.causal") else 2
        lengths, bins = [frames], [self._setting("features.mel_bands")]
        for _ in range(self._setting("subsampling.factor").bit_length() - 1):
            lengths.append((lengths[-1] + padding - 3) // 2 + 1)
            bins.append((bins[-1] + padding - 3) // 2 + 1)
        return lengths, bins

    def _subsampling(self, lengths: list[int], bins: list[int]) -> Work:
        # Places in NeMo's Sequential: docs/format.md.
        separable = self._setting("subsampling.type") == "dw_striding"
        work = self._product("encoder.pre_encode.out.weight", lengths[-1])
        for stage in range(1, len(lengths)):
            pixels = lengths[stage] * bins[stage]
            if stage == 1:
                places = [0]
            elif separable:
                places = [3 * stage - 4, 3 * stage - 3]
            else:
                places = [2 * stage - 2]
            for place in places:
                work += self._product(f"encoder.pre_encode.conv.{place}.weight", pixels)
        return work

    def _attention(self, encoded: int, context: tuple[int, int]) -> Work:
        """Projections; and for every pair of frames query times key, query times position, and
        weight times value, each over all heads together as wide as the model."""
        chunked = self._setting("attention.style") == "chunked_limited"
        pairs = visible_pairs(encoded, context, chunked)
        products = self._setting("block_count") * 3 * pairs * self._setting("embedding_length")
        # Quantised models that do not stream have keys, values and positions in bytes as well.
        projection = self._tensors["encoder.layers.0.self_attn.linear_q.weight"]
        kind = FLOATS if chunked or projection.type in ("f32", "f16") else BYTES
        return Counter({kind: products}) + self._layers(r"self_attn\.linear_(q|k|v|out)", encoded)

    def _decoding(self, encoded: int, run: Pass) -> Work:
        if run.decoder == "ctc":
            return self._product("ctc_decoder.decoder_layers.0.weight", encoded)
        updates = run.steps.predictor + 1  # the first is that of the blank
        work = self._product("joint.enc.weight", encoded)
        work += self._product("joint.joint_net.2.weight", run.steps.joint)
        work += self._product("joint.pred.weight", updates)
        lstm = re.compile(r"decoder\.prediction\.dec_rnn\.lstm\.weight_[ih]h_l\d+")
        return work + _sum(self._product(n, updates) for n in self._tensors if lstm.fullmatch(n))


def _sum(parts: Any) -> Work:
    return sum(parts, Counter())
