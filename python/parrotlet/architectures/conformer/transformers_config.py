"""What a model directory of Hugging Face `transformers` says about the model.

`config.json` and the processor's configuration are read by type; defaults are those of the classes
in `transformers.models.parakeet`, `.nemotron_asr_streaming` and `.nemotron3_5_asr`, whose files
leave out what does not differ from them. What comes out is the same `Configured` as from a NeMo
configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parrotlet.architectures.configured import Configured
from parrotlet.architectures.conformer.sizes import CHUNKED, Conformer, Encoder
from parrotlet.architectures.conformer.subsampling import Subsampling
from parrotlet.architectures.conformer.transducer import OUTPUT_LAYER, LstmPredictor, Transducer
from parrotlet.architectures.conformer.transformers_prompt import prompt_of
from parrotlet.architectures.features import Features
from parrotlet.architectures.keys import MAX_LAYERS, Section, shortened, size_section
from parrotlet.architectures.prompt import AUTO
from parrotlet.errors import CheckpointError, UnsupportedModelError


@dataclass(frozen=True)
class ModelClass:
    """A model class of transformers.

    `nemo_class` is the class it was converted from, `head` "ctc", "rnnt" or "tdt", `blank` the key
    of the blank's index with its default, `streaming` whether the encoder is cache-aware, and
    `prompted` whether a language prompt joins its frames.
    """

    nemo_class: str
    head: str
    blank: tuple[str, int]
    vocab_size: int
    streaming: bool = False
    prompted: bool = False


MODEL_CLASSES = {
    "ParakeetForCTC": ModelClass("EncDecCTCModelBPE", "ctc", ("pad_token_id", 1024), 1025),
    "ParakeetForRNNT": ModelClass("EncDecRNNTBPEModel", "rnnt", ("blank_token_id", 8192), 8193),
    "ParakeetForTDT": ModelClass("EncDecRNNTBPEModel", "tdt", ("blank_token_id", 8192), 8193),
    "NemotronAsrStreamingForRNNT": ModelClass(
        "EncDecRNNTBPEModel", "rnnt", ("blank_token_id", 1024), 1025, streaming=True
    ),
    "Nemotron3_5AsrForRNNT": ModelClass(
        "EncDecRNNTBPEModelWithPrompt",
        "rnnt",
        ("blank_token_id", 13087),
        13088,
        streaming=True,
        prompted=True,
    ),
}

MODEL_TYPES = {
    "parakeet_ctc": "ParakeetForCTC",
    "parakeet_rnnt": "ParakeetForRNNT",
    "parakeet_tdt": "ParakeetForTDT",
    "nemotron_asr_streaming": "NemotronAsrStreamingForRNNT",
    "nemotron3_5_asr": "Nemotron3_5AsrForRNNT",
}

KINDS = {
    model_type: "ctc" if MODEL_CLASSES[name].head == "ctc" else "transducer"
    for model_type, name in MODEL_TYPES.items()
}
"""What `model_type` says of the head."""

# What must be stated to plan memory, though the class has a default for it.
_ENCODER_SIZES = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
_DECODER_SIZES = ("decoder_hidden_size", "num_decoder_layers")
_OPTIONAL_SIZES = ("conv_kernel_size", "subsampling_factor", "subsampling_conv_channels")

_EXTRACTORS = {
    False: ("ParakeetFeatureExtractor", "per_feature"),
    True: ("NemotronAsrStreamingFeatureExtractor", "none"),
}


def model_class(config: Section) -> ModelClass:
    """The class of the model that a `config.json` is about; UnsupportedModelError for others."""
    named = config.items("architectures", [])
    model_type = config.text("model_type", "")
    name = str(named[0]) if named else MODEL_TYPES.get(model_type, model_type)
    if name not in MODEL_CLASSES:
        raise UnsupportedModelError(
            f"{config.file} describes {shortened(name)}; supported are {', '.join(MODEL_CLASSES)}, "
            "and NeMo's own checkpoints (.nemo)"
        )
    return MODEL_CLASSES[name]


def model_config(config: Section, processor: Section) -> Configured[Conformer]:
    """Interpret `config.json` and the configuration of the processor."""
    kind = model_class(config)
    section = config.section("encoder_config", optional=True)
    features = _features(_extractor(processor), kind)
    encoder = _encoder(section, features.mel_bands, _contexts(section, processor, kind))
    vocab_size = config.integer("vocab_size", kind.vocab_size)
    blank = config.integer(*kind.blank, least=0)
    if blank != vocab_size - 1:
        raise UnsupportedModelError(
            f"{config.file}: {kind.blank[0]} is {blank}; supported is a blank that is the last of "
            f"the {vocab_size} outputs"
        )
    sizes = Conformer(
        nemo_class=kind.nemo_class,
        features=features,
        encoder=encoder,
        transducer=None if kind.head == "ctc" else _transducer(config, kind),
        ctc_module="decoder" if kind.head == "ctc" else None,
        vocab=vocab_size - 1,
        prompt=prompt_of(config, processor) if kind.prompted else None,
    )
    return Configured(sizes, subword=True, vocab_sizes=(("vocab_size", vocab_size - 1),))


def planned_sizes(
    values: Mapping[str, Any], file: str, processor: Mapping[str, Any] | None
) -> Conformer:
    """The sizes that a `config.json` states by itself, whose `model_type` is one of KINDS.

    `processor` is the processor's configuration; None is one that leaves out everything. Sizes for
    which the class has a default are asked for, too: a plan of a size nobody stated misleads.
    Raises CheckpointError naming a key that is missing or wrong, and UnsupportedModelError for a
    setting that is not computed here.
    """
    keys = size_section(values, file)
    encoder = keys.section("encoder_config")
    head = () if KINDS[keys.text("model_type")] == "ctc" else _DECODER_SIZES
    for section, names in ((encoder, _ENCODER_SIZES), (keys, ("vocab_size", *head))):
        for name in names:
            section.integer(name)
    for name in _OPTIONAL_SIZES:
        encoder.integer(name, 1)
    if processor is None:
        processor = {"feature_size": encoder.integer("num_mel_bins", 80)}
    processor = {"prompt_dictionary": {AUTO: 0}, **processor}  # its names take no memory
    return model_config(Section(values, file=file), Section(processor, file=file)).sizes


def _extractor(processor: Section) -> Section:
    """The feature extractor: a part of `processor_config.json`, or a file of its own before 5.0."""
    return processor.section("feature_extractor") if "feature_extractor" in processor else processor


def _features(section: Section, kind: ModelClass) -> Features:
    """transformers' ParakeetFeatureExtractor and NemotronAsrStreamingFeatureExtractor"""
    expected, normalize = _EXTRACTORS[kind.streaming]
    _require(
        section,
        "feature_extractor_type",
        section.text("feature_extractor_type", expected),
        expected,
    )
    _require(section, "mel_filters_dtype", section.text("mel_filters_dtype", "float32"), "float32")
    rate = section.integer("sampling_rate", 16000)
    n_fft = section.integer("n_fft", 512)
    window = section.integer("win_length", 400)
    hop = section.integer("hop_length", 160)
    if not (window <= n_fft <= rate and hop <= rate):
        raise CheckpointError(
            f"{section.file}: a window of {window} samples, n_fft {n_fft} and a hop of {hop} "
            f"do not go together at {rate} Hz"
        )
    preemphasis = section.value("preemphasis", 0.97)
    return Features(
        sample_rate=rate,
        n_fft=n_fft,
        window_length=window,
        hop_length=hop,
        mel_bands=section.integer("feature_size", 80),
        preemphasis=0.0 if preemphasis is None else section.number("preemphasis", 0.97),
        log_zero_guard=2.0**-24,
        mag_power=2.0,
        normalize=normalize,
    )


def _encoder(section: Section, mel_bands: int, contexts: tuple[tuple[int, int], ...]) -> Encoder:
    """transformers' ParakeetEncoder and NemotronAsrStreamingEncoder; the latter has `contexts`."""
    streaming = bool(contexts)
    _require(section, "hidden_act", section.text("hidden_act", "silu"), "silu")
    layers = section.integer("num_hidden_layers", 24)
    if layers > MAX_LAYERS:
        raise CheckpointError(f"{section.file}: {section.name('num_hidden_layers')} is {layers}")
    d_model = section.integer("hidden_size", 1024)
    heads = section.integer("num_attention_heads", 8)
    if d_model % heads or d_model % 2:
        raise CheckpointError(
            f"{section.file}: {section.name('hidden_size')} is {d_model}, which must be even and "
            f"divide into {section.name('num_attention_heads')} = {heads}"
        )
    _require(section, "num_key_value_heads", section.integer("num_key_value_heads", heads), heads)
    bias = section.flag("attention_bias", True)
    _require(section, "convolution_bias", section.flag("convolution_bias", True), bias)
    kernel = section.integer("conv_kernel_size", 9)
    if kernel % 2 == 0:
        raise CheckpointError(f"{section.file}: {section.name('conv_kernel_size')} must be odd")
    bands = section.integer("num_mel_bins", 80)
    if bands != mel_bands:
        raise CheckpointError(
            f"{section.file}: {section.name('num_mel_bins')} is {bands}, but the feature extractor "
            f"makes {mel_bands} mel bands"
        )
    side = (kernel - 1) // 2
    return Encoder(
        layers=layers,
        d_model=d_model,
        d_ff=section.integer("intermediate_size", 4096),
        heads=heads,
        use_bias=bias,
        xscaling=section.flag("scale_input", True),
        attention_style=CHUNKED if streaming else "regular",
        attention_contexts=contexts or ((-1, -1),),
        conv_kernel=kernel,
        conv_context=(kernel - 1, 0) if streaming else (side, side),
        conv_norm="layer_norm" if streaming else "batch_norm",
        subsampling=_subsampling(section, streaming),
    )


def _subsampling(section: Section, causal: bool) -> Subsampling:
    _require(
        section,
        "subsampling_conv_kernel_size",
        section.integer("subsampling_conv_kernel_size", 3),
        3,
    )
    _require(section, "subsampling_conv_stride", section.integer("subsampling_conv_stride", 2), 2)
    factor = section.integer("subsampling_factor", 8)
    if factor not in (2, 4, 8, 16):
        raise UnsupportedModelError(
            f"{section.file}: {section.name('subsampling_factor')} is {factor}; supported are 2, "
            "4, 8 and 16"
        )
    channels = section.integer("subsampling_conv_channels", 256)
    return Subsampling("dw_striding", factor, channels, causal)


def _contexts(
    encoder: Section, processor: Section, kind: ModelClass
) -> tuple[tuple[int, int], ...]:
    """(left, right) of a cache-aware encoder, the default first: the encoder knows that one, the
    processor which look-aheads the model was trained with."""
    if not kind.streaming:
        return ()
    left = encoder.integer("sliding_window", 71) - 1
    default = encoder.integer("default_num_lookahead_tokens", 13, least=0)
    rights = [default]
    for right in processor.items("supported_num_lookahead_tokens", [13, 6, 1, 0]):
        if type(right) is not int or not 0 <= right < 2**31:
            raise CheckpointError(
                f"{processor.file}: supported_num_lookahead_tokens must be frames from 0 up"
            )
        if right not in rights:
            rights.append(right)
    for right in rights:
        if left % (right + 1):
            raise CheckpointError(
                f"{encoder.file}: a left context of {left} frames does not divide into chunks of "
                f"{right + 1}"
            )
    return tuple((left, right) for right in rights)


def _transducer(config: Section, kind: ModelClass) -> Transducer:
    """transformers' ParakeetRNNTDecoder and joint network, all of one width."""
    activation = config.text("hidden_act", "relu")
    if activation not in ("relu", "sigmoid", "tanh"):
        raise UnsupportedModelError(
            f"{config.file}: hidden_act is {activation!r}; supported are relu, sigmoid and tanh"
        )
    layers = config.integer("num_decoder_layers", 2)
    if layers > MAX_LAYERS:
        raise CheckpointError(f"{config.file}: num_decoder_layers is {layers}")
    hidden = config.integer("decoder_hidden_size", 640)
    return Transducer(
        predictor=LstmPredictor(hidden, layers),
        joint_hidden=hidden,
        activation=activation,
        output_layer=OUTPUT_LAYER,
        durations=_durations(config) if kind.head == "tdt" else (),
        max_symbols=config.integer("max_symbols_per_step", 10),
    )


def _durations(config: Section) -> tuple[int, ...]:
    durations = config.items("durations", [0, 1, 2, 3, 4])
    if not durations or not all(type(d) is int and 0 <= d < 2**15 for d in durations):
        raise CheckpointError(f"{config.file}: durations must be whole numbers of frames")
    return tuple(durations)


def _require(section: Section, key: str, value: Any, supported: Any) -> None:
    if value != supported:
        raise UnsupportedModelError(
            f"{section.file}: {section.name(key)} is {shortened(value)}; supported: {supported}"
        )
