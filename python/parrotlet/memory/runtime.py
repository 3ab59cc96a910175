"""What the runtime allocates for a Conformer model: the sizes of csrc/, function by function.

Nothing here is fitted. Sizes of packed matrices, keys and values come from the runtime itself
(`_core.sizes`); scratch memory is found by running an arena like its own through the allocations
that each function of `csrc/models` makes, in their order. Functions have the names of those they
follow: who changes what one of them allocates changes its twin here, and `tests/memory` compares
the sum with the resident memory of a process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from parrotlet._core import sizes
from parrotlet.architectures.conformer.sizes import CTC_HEAD, Conformer, Encoder
from parrotlet.architectures.features import Features
from parrotlet.architectures.storage import stored_bytes
from parrotlet.architectures.tensors import Shape
from parrotlet.memory.arena import Arena

FLOAT = 4
TAPS = 9  # of a convolution of the subsampling


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of the file: its shape and the type it is stored as."""

    shape: Shape
    type: str


class Runtime:
    """A Conformer model as `csrc/models/conformer_model.h` holds and runs it."""

    def __init__(
        self, config: Conformer, tensors: Mapping[str, StoredTensor], threads: int
    ) -> None:
        """`tensors` are those of the file by name."""
        self.config = config
        self.tensors = tensors
        self.threads = threads
        self.arena = Arena()  # of the calling thread
        self.thread_arena = Arena()  # of each thread, the calling one included
        encoder = config.encoder
        self._head = encoder.d_model // encoder.heads
        quantised = tensors[_layer("self_attn.linear_q.weight")].type not in ("f32", "f16")
        self._in_bytes = quantised and not encoder.chunked  # attention's products

    # Weights --------------------------------------------------------------------------------

    def weights(self) -> int:
        """Bytes of everything that is read from the file and stays."""
        return transform_weights(self.config.features) + sum(
            self._weight(*item) for item in self.tensors.items()
        )

    def _weight(self, name: str, tensor: StoredTensor) -> int:
        if name.startswith("preprocessor."):
            return 0  # counted with the transform
        if name.endswith("prediction.embed.weight"):  # as in the file: rows are decoded as needed
            return stored_bytes(tensor.type, tensor.shape)
        if len(tensor.shape) == 2 and not name.endswith((".pos_bias_u", ".pos_bias_v")):
            rows, columns = tensor.shape
            if columns != TAPS and not name.endswith("depthwise_conv.weight"):
                return sizes.packed_matrix(tensor.type, rows, columns)
        return FLOAT * math.prod(tensor.shape)

    # Scratch memory -------------------------------------------------------------------------

    def multiply(self, name: str, rows: int, arena: Arena | None = None) -> None:
        """PackedMatrix::multiply: the activations, packed for the matrix `name`."""
        tensor = self.tensors[name]
        pack(tensor.type, rows, tensor.shape[-1], arena or self.arena)

    def features(self, samples: int) -> int:
        """LogMel::operator(); returns the frames of `samples`."""
        features = self.config.features
        frames = samples // features.hop_length
        with self.arena.scope():
            self.arena.allocate(FLOAT * (samples + features.n_fft))
            transform_work(features, min(frames, sizes.MEL_TASK_FRAMES), self.thread_arena)
        return frames

    def pre_encode(self, frames: int, skip: int = 0) -> int:
        """ConvSubsampling::operator(); returns the frames that `frames` of features become."""
        sub = self.config.encoder.subsampling
        total = sub.lengths(frames)[-1]
        width = sub.channels * sub.bins(self.config.features.mel_bands)
        rows = min(total, sizes.SUBSAMPLING_BLOCK)
        with self.arena.scope():
            self.arena.allocate(FLOAT * rows * width)
            self._run_chunk(min(total, sizes.SUBSAMPLING_CHUNK))
            self.multiply("encoder.pre_encode.out.weight", rows)
        return total - skip

    def _run_chunk(self, frames: int) -> None:
        """What every stage must compute for `frames` of the last one's output."""
        sub, arena = self.config.encoder.subsampling, self.thread_arena
        needed = [frames]
        for _ in range(sub.stages - 1):
            needed.append(2 * needed[-1] + 1)
        bins = self.config.features.mel_bands
        with arena.scope():
            for stage, count in enumerate(reversed(needed)):
                bins = sub.halved(bins)
                pixels = count * bins
                arena.allocate(FLOAT * pixels * sub.channels)
                if stage == 0:
                    continue
                with arena.scope():
                    if sub.separable:
                        arena.allocate(FLOAT * pixels * sub.channels)
                        pointwise = f"encoder.pre_encode.conv.{3 * stage}.weight"
                        self.multiply(pointwise, pixels, arena)
                    else:
                        arena.allocate(FLOAT * bins * TAPS * sub.channels)
                        pack("f32", bins, TAPS * sub.channels, arena)

    def projected_positions(self, back: int, ahead: int) -> int:
        """ProjectedPositions: bytes of those of all layers, for keys that far before and after."""
        count = back + ahead + 1 + 2 * sizes.POSITION_SLACK
        with self.arena.scope():
            self.arena.allocate(FLOAT * count * self.config.encoder.d_model)
            self._project_positions(count)
        return self._position_bytes(count)

    def _position_bytes(self, count: int) -> int:
        encoder = self.config.encoder
        return encoder.layers * encoder.heads * sizes.keys(self._in_bytes, count, self._head)

    def _project_positions(self, count: int) -> None:
        with self.arena.scope():
            self.arena.allocate(FLOAT * count * self.config.encoder.d_model)
            self.multiply(_layer("self_attn.linear_pos.weight"), count)

    def _packed(self, name: str, rows: int) -> None:
        """PackedMatrix::pack: rows for the matrix `name`, written a group at a time."""
        tensor = self.tensors[name]
        with self.thread_arena.scope():
            self.thread_arena.allocate(FLOAT * sizes.rows_per_group(tensor.type) * tensor.shape[-1])
        self.arena.allocate(sizes.packed_rows(tensor.type, rows, tensor.shape[-1]))

    def _packed_results(self, name: str, rows: int, next: str) -> None:
        """PackedMatrix::multiply: results of the matrix `name`, packed for the matrix `next`."""
        tensor, following = self.tensors[name], self.tensors[next]
        self.arena.allocate(sizes.packed_rows(following.type, rows, following.shape[-1]))
        width = tensor.shape[0]
        same = sizes.rows_per_group(tensor.type) == sizes.rows_per_group(following.type)
        if not same or -(-width // sizes.SPAN) < self.threads:
            with self.arena.scope():
                self.arena.allocate(FLOAT * rows * width)

    def layer(self, frames: int, keys: int, stream: bool) -> None:
        """ConformerLayer::operator() of `frames` that see at most `keys` keys."""
        encoder, arena = self.config.encoder, self.arena
        d = encoder.d_model
        self._feed_forward(frames)
        with arena.scope():
            self._packed(_layer("self_attn.linear_q.weight"), frames)
            self._attention(encoder, frames, keys, stream)
        with arena.scope():
            past = encoder.conv_context[0] if stream else 0
            arena.allocate(FLOAT * (past + frames) * d)
            arena.allocate(FLOAT * frames * d)
            self._packed(_layer("conv.pointwise_conv1.weight"), frames)
            self._packed(_layer("conv.pointwise_conv2.weight"), frames)
        self._feed_forward(frames)

    def _feed_forward(self, frames: int) -> None:
        blocks = max(1, -(-frames // sizes.FEED_FORWARD_FRAMES))
        block = -(-frames // blocks)
        linear1, linear2 = (_layer(f"feed_forward1.linear{i}.weight") for i in (1, 2))
        with self.arena.scope():
            self._packed(linear1, block)
            self._packed_results(linear1, block, linear2)

    def _attention(self, encoder: Encoder, frames: int, keys: int, stream: bool) -> None:
        arena, d = self.arena, encoder.d_model
        with arena.scope():
            arena.allocate(FLOAT * frames * 3 * d)
            if not stream:
                each = (f(self._in_bytes, frames, self._head) for f in (sizes.keys, sizes.values))
                arena.allocate(encoder.heads * sum(each))
            arena.allocate(FLOAT * frames * d)
            with self.thread_arena.scope():
                self.thread_arena.allocate(
                    sizes.attention_scratch(self._in_bytes, keys, self._head)
                )
            self.multiply(_layer("self_attn.linear_out.weight"), frames)

    def encode(self, frames: int, context: tuple[int, int]) -> tuple[int, int]:
        """ConformerEncoder::operator(); returns the frames of its output, and the bytes of the
        positions that the model keeps after it."""
        encoder, arena = self.config.encoder, self.arena
        n = self.pre_encode(frames)
        back, ahead = encoder.farthest(context, n)
        count = back + ahead + 1 + 2 * sizes.POSITION_SLACK
        kept = self._position_bytes(count) <= sizes.MOST_POSITION_BYTES
        positions = self.projected_positions(back, ahead) if kept else 0
        with arena.scope():
            if not kept:
                arena.allocate(FLOAT * count * encoder.d_model)
                arena.allocate(encoder.heads * sizes.keys(self._in_bytes, count, self._head))
                self._project_positions(count)
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
        keys = encoder.layers * sizes.key_value_cache(
            encoder.heads, self._head, _capacity(*_bounded(context))
        )
        return keys, FLOAT * encoder.layers * encoder.conv_context[0] * encoder.d_model

    def stream_step(self, context: tuple[int, int]) -> None:
        """ModelStream::feed of enough samples for a chunk."""
        factor = self.config.encoder.subsampling.factor
        left, right = _bounded(context)
        transform_work(self.config.features, sizes.MEL_TASK_FRAMES, self.thread_arena)
        frames = factor + 1 + factor * (right + 1)
        with self.arena.scope():
            self.arena.allocate(FLOAT * (right + 2) * self.config.encoder.d_model)
            self.pre_encode(frames)
            self.layer(right + 1, _capacity(left, right), stream=True)

    # Heads ----------------------------------------------------------------------------------

    def search(self, frames: int) -> None:
        """Search::feed of `frames`: GreedyTransducer if there is a transducer, GreedyCtc if not."""
        transducer = self.config.transducer is not None
        name = "joint.enc" if transducer else f"{CTC_HEAD}.decoder_layers.0"
        frames = min(frames, sizes.SEARCH_FRAMES)
        with self.arena.scope():
            self.arena.allocate(FLOAT * frames * self.tensors[f"{name}.weight"].shape[0])
            self.multiply(f"{name}.weight", frames)


def pack(type: str, rows: int, columns: int, arena: Arena) -> None:
    """PackedMatrix::multiply_serial: activations [rows, columns] for a matrix of a type."""
    with arena.scope():
        arena.allocate(sizes.packed_rows(type, rows, columns))


def transform_weights(features: Features) -> int:
    """LogMel: bytes of the transform with its window, and of the mel filterbank."""
    bins = features.bins
    transform = sizes.packed_matrix("f32", 2 * bins, features.window_length)
    return transform + sizes.packed_matrix("f32", features.mel_bands, bins)


def transform_work(features: Features, frames: int, arena: Arena) -> None:
    """LogMel::transform: a task of `frames`."""
    bins = features.bins
    with arena.scope():
        arena.allocate(FLOAT * frames * 2 * bins)
        pack("f32", frames, features.window_length, arena)
        arena.allocate(FLOAT * frames * bins)
        pack("f32", frames, bins, arena)


def _layer(name: str) -> str:
    return f"encoder.layers.0.{name}"


def _bounded(context: tuple[int, int]) -> tuple[int, int]:
    left, right = context
    return (sizes.UNLIMITED_LEFT if left < 0 else left), right


def _capacity(left: int, right: int) -> int:
    """Frames that a stream's cache of keys and values has room for."""
    return left + right + 1 + sizes.CACHE_SLACK
