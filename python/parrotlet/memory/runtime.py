"""What the runtime allocates for a Conformer model: the sizes of csrc/, function by function.

Nothing here is fitted. Weights are the packed panels of `csrc/nn/packed_matrix.cpp`; scratch memory
is found by running `csrc/runtime/buffer.h`'s `Arena` through the allocations that each function of
`csrc/models` makes, in their order. Functions have the names of those they follow: who changes what
one of them allocates changes its twin here, and `tests/memory` compares the sum with the resident
memory of a process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from parrotlet._convert.config import Encoder, ModelConfig
from parrotlet._convert.mapping import Shape

FLOAT = 4

# csrc/kernels/gemm.h
PANEL = 16  # output columns of a panel
BLOCK = 32  # values along k that are multiplied as integers before scaling

# Bytes of a QuantPanel: BLOCK values of PANEL columns with their scales and minima.
QUANT_PANEL = {
    "q8_0": 2 * PANEL + BLOCK * PANEL,
    "q4_0": 4 * PANEL + BLOCK * PANEL // 2,
    "q4_k": 4 * PANEL + BLOCK * PANEL // 2,
    "q5_k": 4 * PANEL + BLOCK * PANEL,
    "q6_k": 8 * PANEL + BLOCK * PANEL,
}
# csrc/kernels/gemm.inl: BLOCK activations are as many bytes and a sum; four such share a scale.
QUANT_ROW = BLOCK + FLOAT + FLOAT // 4

# Constants of csrc/models, by the file that has them
FEED_FORWARD_FRAMES = 1024  # conformer.cpp
SUBSAMPLING_CHUNK = 8  # subsampling.cpp
SUBSAMPLING_BLOCK = 1024
POSITION_SLACK = 2 * BLOCK  # attention.h
MOST_POSITION_BYTES = 192 << 20  # positions.h
CACHE_SLACK = 8 * PANEL  # streaming.cpp
QUERY_GROUP = 16  # attention.cpp
MEL_TASK_FRAMES = 48  # log_mel.cpp
UNLIMITED_LEFT = 10000  # conformer_model.cpp

STREAM_PIECE = 16_000
"""Samples that `parrotlet.streaming` encodes at a time."""

READ_BLOCK = 1 << 20
"""Samples that `parrotlet.audio` reads at a time."""


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def panel_floats(rows: int, depth: int) -> int:
    """Floats of rows x depth values in panels."""
    return _up(rows, PANEL) * depth


def packed_bytes(type: str, rows: int, columns: int) -> int:
    """Bytes of a PackedMatrix [rows, columns] whose tensor is stored as `type`."""
    if type in ("f32", "f16"):
        return panel_floats(rows, columns) * (FLOAT if type == "f32" else 2)
    return _up(rows, PANEL) // PANEL * (columns // BLOCK) * QUANT_PANEL[type]


class Arena:
    """`csrc/runtime/buffer.h`: blocks that are kept, and given out in the order they were made."""

    ALIGNMENT = 64
    MINIMUM_BLOCK = 1 << 20

    def __init__(self) -> None:
        """Start empty."""
        self._sizes: list[int] = []
        self._touched: list[int] = []
        self._block = self._used = 0

    def allocate(self, floats: float) -> None:
        """Take the room of `floats` floats, from the current block or the next that has it."""
        size = _up(int(floats * FLOAT), self.ALIGNMENT)
        while self._block < len(self._sizes) and self._used + size > self._sizes[self._block]:
            self._block += 1
            self._used = 0
        if self._block == len(self._sizes):
            self._sizes.append(max(size, self.MINIMUM_BLOCK))
            self._touched.append(0)
        self._used += size
        self._touched[self._block] = max(self._touched[self._block], self._used)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Give back at the end what is taken inside."""
        mark = self._block, self._used
        yield
        self._block, self._used = mark

    @property
    def resident(self) -> int:
        """Bytes that have been written to: what is allocated and never used costs nothing."""
        return sum(self._touched)


@dataclass(frozen=True)
class Stored:
    """A tensor of the file: its shape and the type it is stored as."""

    shape: Shape
    type: str


class Runtime:
    """A Conformer model as `csrc/models/conformer_model.h` holds and runs it."""

    def __init__(
        self, config: ModelConfig, vocab: int, tensors: Mapping[str, Stored], threads: int
    ) -> None:
        """`tensors` are those of the file by name, `vocab` the tokens without the blank."""
        self.config = config
        self.vocab = vocab
        self.tensors = tensors
        self.threads = threads
        self.arena = Arena()  # of the calling thread
        self.thread_arena = Arena()  # of each thread, the calling one included

    # Weights --------------------------------------------------------------------------------

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        features = self.config.features
        bins = features.n_fft // 2 + 1
        total = packed_bytes("f32", 2 * bins, features.window_length)  # the transform
        for name, tensor in self.tensors.items():
            total += self._weight(name, tensor)
        return total

    def _weight(self, name: str, tensor: Stored) -> int:
        if name.endswith(("featurizer.window", "prediction.embed.weight")):
            return 0  # built into the transform; rows are decoded from the mapped file
        if len(tensor.shape) == 2 and not name.endswith((".pos_bias_u", ".pos_bias_v")):
            rows, columns = tensor.shape
            if columns != 9 and not name.endswith("depthwise_conv.weight"):
                return packed_bytes(tensor.type, rows, columns)
        size = FLOAT
        for n in tensor.shape:
            size *= n
        return size

    # Scratch memory -------------------------------------------------------------------------

    def multiply(self, name: str, rows: int, arena: Arena | None = None) -> None:
        """PackedMatrix::multiply: the activations, packed for the matrix `name`."""
        tensor = self.tensors[name]
        self._pack(tensor.type, rows, tensor.shape[-1], arena or self.arena)

    def _pack(self, type: str, rows: int, columns: int, arena: Arena) -> None:
        with arena.scope():
            if type in ("f32", "f16"):
                arena.allocate(rows * columns)
            else:
                arena.allocate(rows * columns / BLOCK * QUANT_ROW / FLOAT)

    def features(self, samples: int) -> int:
        """LogMel::operator(); returns the frames of `samples`."""
        features = self.config.features
        frames = samples // features.hop_length
        with self.arena.scope():
            self.arena.allocate(samples + features.n_fft)
            self._mel_task(min(frames, MEL_TASK_FRAMES))
        return frames

    def _mel_task(self, frames: int) -> None:
        features, arena = self.config.features, self.thread_arena
        bins = features.n_fft // 2 + 1
        with arena.scope():
            arena.allocate(frames * 2 * bins)
            self._pack("f32", frames, features.window_length, arena)
            arena.allocate(frames * bins)
            self._pack("f32", frames, bins, arena)

    def pre_encode(self, frames: int, skip: int = 0) -> int:
        """ConvSubsampling::operator(); returns the frames that `frames` of features become."""
        encoder, arena = self.config.encoder, self.arena
        sub = encoder.subsampling
        total = frames
        for _ in range(sub.stages):
            total = _stage_output(total, sub.causal)
        width = sub.channels * sub.bins(self.config.features.mel_bands)
        with arena.scope():
            rows = min(total, SUBSAMPLING_BLOCK)
            arena.allocate(rows * width)
            self._subsampling_chunk(min(total, SUBSAMPLING_CHUNK))
            self.multiply("encoder.pre_encode.out.weight", min(total - skip, SUBSAMPLING_BLOCK))
        return total - skip

    def _subsampling_chunk(self, frames: int) -> None:
        """run_chunk: what every stage must compute for `frames` of the last one's output."""
        sub, arena = self.config.encoder.subsampling, self.thread_arena
        needed = [frames]
        for _ in range(sub.stages - 1):
            needed.append(2 * needed[-1] + 1)
        bins = self.config.features.mel_bands
        with arena.scope():
            for stage, count in enumerate(reversed(needed)):
                bins = _stage_output(bins, sub.causal)
                pixels = count * bins
                arena.allocate(pixels * sub.channels)
                if stage == 0:
                    continue
                with arena.scope():
                    if sub.kind == "dw_striding":
                        arena.allocate(pixels * sub.channels)
                        pointwise = f"encoder.pre_encode.conv.{3 * stage}.weight"
                        self.multiply(pointwise, pixels, arena)
                    else:
                        arena.allocate(bins * 9 * sub.channels)
                        self._pack("f32", bins, 9 * sub.channels, arena)

    def project_positions(self, count: int) -> None:
        """RelPositionMultiHeadAttention::project_positions."""
        with self.arena.scope():
            self.arena.allocate(count * self.config.encoder.d_model)
            self.multiply(_layer("self_attn.linear_pos.weight"), count)

    @property
    def _bytes(self) -> bool:
        """Whether the products of attention are of bytes."""
        quantised = self.tensors[_layer("self_attn.linear_q.weight")].type not in ("f32", "f16")
        return quantised and self.config.encoder.attention_style == "regular"

    def key_bytes(self, rows: int) -> int:
        """AttentionKernel::key_bytes of all heads: keys, or projected positions."""
        encoder = self.config.encoder
        head = encoder.d_model // encoder.heads
        if self._bytes:
            return encoder.heads * packed_bytes("q8_0", _up(rows, BLOCK), _up(head, BLOCK))
        return encoder.heads * packed_bytes("f32", rows, head)

    def value_bytes(self, rows: int) -> int:
        """AttentionKernel::value_bytes of all heads."""
        encoder = self.config.encoder
        head = encoder.d_model // encoder.heads
        if self._bytes:
            return encoder.heads * packed_bytes("q8_0", head, _up(rows, BLOCK))
        return encoder.heads * packed_bytes("f32", head, rows)

    def projected_positions(self, back: int, ahead: int) -> int:
        """ProjectedPositions: bytes of those of all layers, for keys that far before and after."""
        count = back + ahead + 1 + 2 * POSITION_SLACK
        with self.arena.scope():
            self.arena.allocate(count * self.config.encoder.d_model)
            self.project_positions(count)
        return self.config.encoder.layers * self.key_bytes(count)

    def layer(self, frames: int, keys: int, stream: bool) -> None:
        """ConformerLayer::operator() of `frames` that see at most `keys` keys."""
        encoder, arena = self.config.encoder, self.arena
        d = encoder.d_model
        self._feed_forward(encoder, frames)
        with arena.scope():
            arena.allocate(frames * d)
            self._attention(encoder, frames, keys, stream)
        with arena.scope():
            past = encoder.conv_context[0] if stream else 0
            arena.allocate(frames * d)
            arena.allocate((past + frames) * d)
            self.multiply(_layer("conv.pointwise_conv1.weight"), frames)
            self.multiply(_layer("conv.pointwise_conv2.weight"), frames)
        self._feed_forward(encoder, frames)

    def _feed_forward(self, encoder: Encoder, frames: int) -> None:
        block = min(frames, FEED_FORWARD_FRAMES)
        with self.arena.scope():
            self.arena.allocate(block * encoder.d_model)
            self.arena.allocate(block * encoder.d_ff)
            self.multiply(_layer("feed_forward1.linear1.weight"), block)
            self.multiply(_layer("feed_forward1.linear2.weight"), block)

    def _attention(self, encoder: Encoder, frames: int, keys: int, stream: bool) -> None:
        arena, d = self.arena, encoder.d_model
        with arena.scope():
            arena.allocate(frames * 3 * d)
            self.multiply(_layer("self_attn.linear_q.weight"), frames)
            if not stream:
                arena.allocate((self.key_bytes(frames) + self.value_bytes(frames)) / FLOAT)
            arena.allocate(frames * d)
            with self.thread_arena.scope():
                head, padded = _up(d // encoder.heads, PANEL), _up(keys, PANEL)
                shifted = padded + QUERY_GROUP + 2 * PANEL
                self.thread_arena.allocate(QUERY_GROUP * (head + padded + shifted + padded))
            self.multiply(_layer("self_attn.linear_out.weight"), frames)

    def encode(self, frames: int, context: tuple[int, int]) -> tuple[int, int]:
        """ConformerEncoder::operator(); returns the frames of its output, and the bytes of the
        positions that the model keeps after it."""
        encoder, arena = self.config.encoder, self.arena
        n = self.pre_encode(frames)
        back, ahead = (n - 1 if side < 0 else min(side, n - 1) for side in context)
        if encoder.attention_style == "chunked_limited" and context[1] >= 0:
            back = min(back + context[1], n - 1)
        count = back + ahead + 1 + 2 * POSITION_SLACK
        kept = encoder.layers * self.key_bytes(count) <= MOST_POSITION_BYTES
        positions = self.projected_positions(back, ahead) if kept else 0
        with arena.scope():
            if not kept:
                arena.allocate(count * encoder.d_model)
                arena.allocate(self.key_bytes(count) / FLOAT)
                self.project_positions(count)
            self.layer(n, n, stream=False)
        return n, positions

    # Streaming ------------------------------------------------------------------------------

    def stream_positions(self, context: tuple[int, int]) -> int:
        """ConformerModel::stream_positions: bytes of those of all layers."""
        left, right = _bounded(context)
        return self.projected_positions(left + right, right)

    def stream_caches(self, context: tuple[int, int]) -> tuple[int, int]:
        """EncoderStream: bytes of the keys and values, and of the convolutions' histories."""
        encoder = self.config.encoder
        left, right = _bounded(context)
        capacity = left + right + 1 + CACHE_SLACK
        head = encoder.d_model // encoder.heads
        floats = panel_floats(capacity, head) + panel_floats(head, capacity)
        keys = encoder.layers * encoder.heads * floats * FLOAT
        return keys, encoder.layers * encoder.conv_context[0] * encoder.d_model * FLOAT

    def stream_step(self, context: tuple[int, int]) -> None:
        """ModelStream::feed of enough samples for a chunk."""
        factor = self.config.encoder.subsampling.factor
        left, right = _bounded(context)
        self.features(max(STREAM_PIECE, self.config.features.n_fft))
        frames = factor + 1 + factor * (right + 1)
        with self.arena.scope():
            self.arena.allocate((right + 2) * self.config.encoder.d_model)
            self.pre_encode(frames)
            self.layer(right + 1, left + right + 1, stream=True)

    # Heads ----------------------------------------------------------------------------------

    def ctc_log_probs(self, frames: int) -> int:
        """Log-probabilities of `frames`, bytes."""
        self.multiply("ctc_decoder.decoder_layers.0.weight", frames)
        return frames * (self.vocab + 1) * FLOAT

    def project_encoder(self, frames: int) -> int:
        """The joint's projection of `frames`, bytes."""
        self.multiply("joint.enc.weight", frames)
        return frames * self.tensors["joint.enc.weight"].shape[0] * FLOAT

    @property
    def scratch(self) -> int:
        """Bytes of scratch memory that all threads have used so far; it is kept."""
        return self.arena.resident + self.threads * self.thread_arena.resident


def _layer(name: str) -> str:
    return f"encoder.layers.0.{name}"


def _stage_output(n: int, causal: bool) -> int:
    return (n + (3 if causal else 2) - 3) // 2 + 1


def _bounded(context: tuple[int, int]) -> tuple[int, int]:
    left, right = context
    return (UNLIMITED_LEFT if left < 0 else left), right
