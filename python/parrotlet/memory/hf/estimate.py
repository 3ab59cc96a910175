"""Caches, activations and inputs of the models in `models`.

The formulas are those of a runtime that keeps keys and values of every layer and never forms the
matrix of all attention weights but for cross-attention, one head at a time.
"""

from __future__ import annotations

import math

from parrotlet.errors import CheckpointError
from parrotlet.memory.hf.decoders import TextDecoder
from parrotlet.memory.hf.encoders import AudioEncoder
from parrotlet.memory.hf.models import ForeignModel
from parrotlet.memory.report import Estimate, Item, KeyValueCaches, Workload

DEFAULT_TOKENS = 448
"""Text that a decoder holds unless told: Whisper's limit."""

FLOAT = 4


class Extents:
    """Positions of a model for some settings, and what follows from them."""

    def __init__(self, made: ForeignModel, settings: Workload, cache_type: str) -> None:
        """`cache_type` is what keys, values and activations are held in."""
        self.made = made
        self.settings = settings
        self.value = {"f32": 4.0, "int8": 1.0, "int4": 0.5}.get(cache_type, 2.0)
        self.mel_frames, windows = _mel_frames(made.encoder, settings.seconds)
        if made.kind == "encoder-decoder":
            windows = min(windows, 1)  # one after the other, each from nothing
        self.windows = windows
        self.encoder_positions = 0
        if made.encoder is not None:
            self.encoder_positions = windows * made.encoder.frames(self.mel_frames)
        tokens = settings.tokens or made.decoder.positions or DEFAULT_TOKENS
        audio = math.ceil(self.encoder_positions / made.stack) if made.kind == "audio-llm" else 0
        self.decoder_positions = tokens + audio

    def caches(self) -> KeyValueCaches:
        """The three caches, of one device."""
        encoder, decoder = self.made.encoder, self.made.decoder
        both = 2 * self.settings.batch * self.value / self.settings.tensor_parallel
        own = 0.0
        if encoder is not None:
            own = both * encoder.layers * self.encoder_positions * encoder.kv_width
        cross = both * decoder.layers * self.encoder_positions * decoder.cross_width
        return KeyValueCaches(
            encoder=math.ceil(own),
            cross=math.ceil(cross),
            decoder=math.ceil(self._decoder_cache(decoder)),
            encoder_positions=self.encoder_positions,
            decoder_positions=self.decoder_positions,
        )

    def _decoder_cache(self, decoder: TextDecoder) -> float:
        positions = self.decoder_positions
        kept = (decoder.cached - decoder.local) * positions
        kept += decoder.local * min(positions, decoder.window)
        # Devices in excess of the heads hold copies.
        heads = max(1.0, decoder.kv_heads / self.settings.tensor_parallel)
        return 2 * self.settings.batch * self.value * kept * heads * decoder.head

    def activations(self) -> list[Item]:
        """The largest that exist at once while either half runs."""
        decoder, batch = self.made.decoder, self.settings.batch
        items = []
        if self.made.encoder is not None:
            floats = batch * self.encoder_positions * self.made.encoder.width
            items.append(("encoder", floats))
        floats = batch * (self.decoder_positions * decoder.width + decoder.vocab)
        if decoder.cross_width:
            floats += batch * self.decoder_positions * self.encoder_positions
        items.append(("decoder", floats))
        name, floats = max(items, key=lambda item: item[1])
        return [Item("activations", f"{name}, one layer", math.ceil(floats * self.value))]

    def inputs(self) -> list[Item]:
        """Mel features in float32, and the outputs of the convolutions over them."""
        encoder, batch = self.made.encoder, self.settings.batch
        if encoder is None:
            return []
        frames = batch * self.windows * self.mel_frames
        mel = frames * encoder.mel_bands * FLOAT
        items = [Item("input", "mel features", mel)]
        if encoder.conv_floats:
            floats = frames * encoder.conv_floats
            items.append(Item("input", "convolution buffers", math.ceil(floats * self.value)))
        return items


def _mel_frames(encoder: AudioEncoder | None, seconds: float) -> tuple[int, int]:
    """Mel frames of a window, and windows."""
    if encoder is None:
        return 0, 0
    frames = max(1, math.ceil(seconds * encoder.mel_rate))
    if encoder.window is None:
        return frames, 1
    return encoder.window, math.ceil(frames / encoder.window)


def cache_type_of(type: str) -> str:
    """What keys, values and activations are held in beside weights of a type, unless told."""
    return "f32" if type == "f32" else "f16"


def estimate(type: str, weights: int, extents: Extents) -> Estimate:
    """Everything, of one of the devices that tensors are spread over."""
    caches = extents.caches()
    parallel = extents.settings.tensor_parallel
    items = [
        Item("weights", "weights", math.ceil(weights / parallel)),
        Item("caches", "encoder keys and values", caches.encoder),
        Item("caches", "cross-attention keys and values", caches.cross),
        Item("caches", "decoder keys and values", caches.decoder),
        *extents.activations(),
        *extents.inputs(),
    ]
    return Estimate(type, tuple(item for item in items if item.bytes))


def check_parallel(made: ForeignModel, parallel: int, source: str) -> None:
    """Raise CheckpointError where heads do not divide into devices."""
    heads = made.decoder.kv_heads
    if heads % parallel and parallel % heads:
        raise CheckpointError(
            f"{source}: {heads} heads of keys and values do not divide into {parallel} devices"
        )
