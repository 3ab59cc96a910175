"""Architectures of published NeMo checkpoints, for models with random weights of true shapes.

Sizes are those of the checkpoints' `model_config.yaml` on Hugging Face and NGC.
"""

from __future__ import annotations

from dataclasses import replace

from parrotlet.architectures.buffering import ChunkContexts
from parrotlet.architectures.conformer.sizes import (
    CHUNKED,
    REGULAR,
    UNIFIED,
    Conformer,
    Context,
    Encoder,
)
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import OUTPUT_LAYER, LstmPredictor, Transducer
from parrotlet.architectures.features import Features
from parrotlet.architectures.prompt import Prompt
from parrotlet.architectures.tensors import CTC_HEAD

TDT_DURATIONS = (0, 1, 2, 3, 4)
STREAMING_CONTEXTS = ((70, 13), (70, 6), (70, 1), (70, 0))
UNIFIED_CONTEXTS = ChunkContexts((70,), (1, 2, 7, 13), (0, 1, 2, 3, 4, 7, 13))
MULTILINGUAL_CONTEXTS = ((56, 13), (56, 6), (56, 3), (56, 1), (56, 0))


def _features(mels: int, normalize: str) -> Features:
    return Features(
        sample_rate=16000,
        n_fft=512,
        window_length=400,
        hop_length=160,
        mel_bands=mels,
        preemphasis=0.97,
        log_zero_guard=2.0**-24,
        mag_power=2.0,
        normalize=normalize,
    )


def _fast_conformer(
    layers: int,
    d_model: int,
    *,
    bias: bool = True,
    xscaling: bool = False,
    streaming: tuple[Context, ...] = (),
    local: Context = (-1, -1),
    chunks: ChunkContexts | None = None,
) -> Encoder:
    """8x depthwise subsampling and 9 taps; causal with LayerNorm where it streams with caches.
    `local` is the context of a model that does not."""
    style = CHUNKED if streaming else UNIFIED if chunks else REGULAR
    return Encoder(
        layers=layers,
        d_model=d_model,
        d_ff=4 * d_model,
        heads=8,
        use_bias=bias,
        xscaling=xscaling,
        attention_style=style,
        attention_contexts=streaming or (local,),
        conv_kernel=9,
        conv_context=(8, 0) if streaming else (4, 4),
        conv_norm="layer_norm" if streaming else "batch_norm",
        subsampling=Subsampling("dw_striding", 8, 256, causal=bool(streaming)),
        chunk_contexts=chunks,
    )


def _transducer(layers: int = 2, durations: tuple[int, ...] = ()) -> Transducer:
    return Transducer(
        predictor=LstmPredictor(640, layers),
        joint_hidden=640,
        activation="relu",
        output_layer=OUTPUT_LAYER,
        durations=durations,
        max_symbols=10,
    )


def _model(
    encoder: Encoder,
    vocab: int,
    mels: int = 80,
    transducer: Transducer | None = None,
    ctc: bool = False,
) -> Conformer:
    hybrid = transducer is not None and ctc
    if hybrid:
        nemo_class = "EncDecHybridRNNTCTCBPEModel"
    else:
        nemo_class = "EncDecCTCModelBPE" if ctc else "EncDecRNNTBPEModel"
    normalize = "none" if encoder.chunked else "per_feature"
    return Conformer(
        nemo_class=nemo_class,
        features=_features(mels, normalize),
        encoder=encoder,
        transducer=transducer,
        ctc_module=(CTC_HEAD if hybrid else "decoder") if ctc else None,
        vocab=vocab,
    )


PRESETS: dict[str, Conformer] = {
    "parakeet-tdt-0.6b-v2": _model(
        _fast_conformer(24, 1024, bias=False), 1024, 128, _transducer(durations=TDT_DURATIONS)
    ),
    "parakeet-tdt-0.6b-v3": _model(
        _fast_conformer(24, 1024, bias=False), 8192, 128, _transducer(durations=TDT_DURATIONS)
    ),
    "parakeet-tdt-1.1b": _model(
        _fast_conformer(42, 1024), 1024, transducer=_transducer(durations=TDT_DURATIONS)
    ),
    "parakeet-tdt_ctc-1.1b": _model(
        _fast_conformer(42, 1024, local=(128, 128)),
        1024,
        transducer=_transducer(durations=TDT_DURATIONS),
        ctc=True,
    ),
    "parakeet-tdt_ctc-110m": _model(
        _fast_conformer(17, 512, xscaling=True),
        1024,
        transducer=_transducer(1, TDT_DURATIONS),
        ctc=True,
    ),
    "parakeet-tdt_ctc-0.6b-ja": _model(
        _fast_conformer(24, 1024), 3072, transducer=_transducer(durations=TDT_DURATIONS), ctc=True
    ),
    "parakeet-rnnt-0.6b": _model(_fast_conformer(24, 1024), 1024, transducer=_transducer()),
    "parakeet-rnnt-1.1b": _model(_fast_conformer(42, 1024), 1024, transducer=_transducer()),
    "parakeet-ctc-0.6b": _model(_fast_conformer(24, 1024), 1024, ctc=True),
    "parakeet-ctc-1.1b": _model(_fast_conformer(42, 1024), 1024, ctc=True),
    "stt_en_fastconformer_ctc_large": _model(
        _fast_conformer(18, 512, xscaling=True), 1024, ctc=True
    ),
    "stt_en_fastconformer_transducer_large": _model(
        _fast_conformer(17, 512, xscaling=True), 1024, transducer=_transducer(1)
    ),
    "stt_en_fastconformer_tdt_large": _model(
        _fast_conformer(17, 512, xscaling=True), 1024, transducer=_transducer(1, TDT_DURATIONS)
    ),
    "stt_en_fastconformer_hybrid_large_pc": _model(
        _fast_conformer(17, 512, xscaling=True), 1024, transducer=_transducer(1), ctc=True
    ),
    "stt_en_fastconformer_hybrid_large_streaming_multi": _model(
        _fast_conformer(17, 512, xscaling=True, streaming=STREAMING_CONTEXTS),
        1024,
        transducer=_transducer(1),
        ctc=True,
    ),
    "nemotron-speech-streaming-en-0.6b": _model(
        _fast_conformer(24, 1024, bias=False, streaming=STREAMING_CONTEXTS),
        1024,
        128,
        _transducer(),
    ),
    "parakeet-unified-en-0.6b": _model(
        _fast_conformer(24, 1024, xscaling=True, chunks=UNIFIED_CONTEXTS),
        1024,
        128,
        _transducer(),
    ),
    "nemotron-3.5-asr-streaming-0.6b": replace(
        _model(
            _fast_conformer(24, 1024, bias=False, streaming=MULTILINGUAL_CONTEXTS),
            13087,
            128,
            _transducer(),
        ),
        nemo_class="EncDecRNNTBPEModelWithPrompt",
        prompt=Prompt.of_dictionary(128, 2048, {"en-US": 0, "de-DE": 9, "auto": 101}),
    ),
    "parakeet_realtime_eou_120m-v1": _model(
        _fast_conformer(17, 512, bias=False, streaming=((70, 1),)), 1026, 128, _transducer(1)
    ),
}
"""By the checkpoint's name."""
