"""NeMo's models under `transformers`' names: ParakeetForCTC, ParakeetForRNNT and ParakeetForTDT.

Their modules are NeMo's with other names, so a configuration is that of a `.nemo` checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

from parrotlet._convert.config import Encoder, ModelConfig, Subsampling, Transducer
from parrotlet._convert.presets import PRESETS, TDT_DURATIONS
from parrotlet.memory.keys import Keys

KINDS = {"parakeet_ctc": "ctc", "parakeet_rnnt": "transducer", "parakeet_tdt": "transducer"}
"""What `model_type` says of the head."""


def parakeet(keys: Keys) -> tuple[ModelConfig, int]:
    """The model of a configuration whose `model_type` is one of KINDS, and the size of its
    vocabulary without the blank, which such a configuration counts.

    Raises CheckpointError naming a key that is missing or wrong.
    """
    family = keys.text("model_type")
    known, _ = PRESETS["parakeet-ctc-0.6b"]  # for the features, which are in another file
    transducer = KINDS[family] == "transducer"
    encoder = keys.section("encoder_config")
    mels = encoder.integer("num_mel_bins", default=80)
    config = ModelConfig(
        nemo_class="EncDecRNNTBPEModel" if transducer else "EncDecCTCModelBPE",
        subword=True,
        features=replace(known.features, mel_bands=mels),
        encoder=_encoder(encoder),
        transducer=_transducer(keys, family) if transducer else None,
        ctc_module=None if transducer else "decoder",
        vocab_sizes=(),
    )
    return config, keys.integer("vocab_size", least=2) - 1


def _encoder(keys: Keys) -> Encoder:
    kernel = keys.integer("conv_kernel_size", default=9)
    return Encoder(
        layers=keys.integer("num_hidden_layers"),
        d_model=keys.integer("hidden_size"),
        d_ff=keys.integer("intermediate_size"),
        heads=keys.divisor("num_attention_heads", "hidden_size"),
        use_bias=keys.flag("attention_bias", default=True),
        xscaling=keys.flag("scale_input", default=True),
        attention_style="regular",
        attention_contexts=((-1, -1),),
        conv_kernel=kernel,
        conv_context=((kernel - 1) // 2, kernel // 2),
        conv_norm="batch_norm",
        subsampling=Subsampling(
            kind="dw_striding",
            factor=keys.integer("subsampling_factor", default=8, least=2),
            channels=keys.integer("subsampling_conv_channels", default=256),
            causal=False,
        ),
    )


def _transducer(keys: Keys, family: str) -> Transducer:
    hidden = keys.integer("decoder_hidden_size")
    durations = keys.integers("durations") if keys.has("durations") else TDT_DURATIONS
    return Transducer(
        predictor_hidden=hidden,
        predictor_layers=keys.integer("num_decoder_layers"),
        joint_hidden=hidden,
        activation=keys.text("hidden_act", default="relu"),
        output_layer=2,
        durations=tuple(durations) if family == "parakeet_tdt" else (),
        max_symbols=keys.integer("max_symbols_per_step", default=10),
    )
