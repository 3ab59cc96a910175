"""Configurations: NeMo's defaults for keys left out, and refusals that name the key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from nemo_configs import CTC, MODULES, TDT, changed
from nemo_files import ARCHITECTURES, DATA, read_members

from parrotlet.architectures.conformer.nemo_config import model_config
from parrotlet.architectures.conformer.transducer import StatelessPredictor
from parrotlet.architectures.yaml_file import parse_yaml
from parrotlet.errors import CheckpointError, UnsupportedModelError


def test_defaults_are_nemos_own():
    found = model_config(CTC)
    config = found.sizes
    assert asdict(config.features) == {
        "sample_rate": 16000,
        "n_fft": 512,  # the power of two above 320
        "window_length": 320,
        "hop_length": 160,
        "mel_bands": 64,
        "preemphasis": 0.97,
        "log_zero_guard": 2.0**-24,
        "mag_power": 2.0,
        "normalize": "per_feature",
    }
    encoder = asdict(config.encoder)
    assert encoder.pop("subsampling") == {
        "kind": "striding",
        "factor": 4,
        "channels": 32,
        "causal": False,
    }
    assert encoder == {
        "layers": 3,
        "d_model": 32,
        "d_ff": 128,
        "heads": 4,
        "use_bias": True,
        "xscaling": True,
        "attention_style": "regular",
        "attention_contexts": ((-1, -1),),
        "conv_kernel": 31,
        "conv_context": (15, 15),
        "conv_norm": "batch_norm",
        "chunk_contexts": None,
        "reduction": None,
    }
    assert (config.nemo_class, found.subword, config.heads) == ("EncDecCTCModel", False, ("ctc",))
    assert config.ctc_module == "decoder"
    assert config.transducer is None


def test_a_transducer():
    config = model_config(TDT).sizes
    assert config.transducer is not None
    assert asdict(config.transducer) == {
        "predictor": {"hidden": 24, "layers": 2},
        "joint_hidden": 40,
        "activation": "relu",
        "output_layer": 2,
        "durations": (0, 1, 4),
        "max_symbols": 10,
        "joint": "rnnt",
        "big_blanks": (),
    }
    assert config.heads == ("tdt",)


def test_big_blanks():
    several = changed(TDT, "loss", {"loss_name": "multiblank_rnnt"})
    with pytest.raises(CheckpointError, match=r"no key 'decoding\.big_blank_durations'"):
        model_config(changed(several, "joint.num_extra_outputs", 0))
    several = changed(several, "decoding.big_blank_durations", [2, 4, 8])
    config = model_config(several).sizes
    assert (config.heads, config.transducer.durations) == (("rnnt",), ())
    assert config.transducer.big_blanks == (2, 4, 8)
    for wrong in ([2, 4], [0, 2, 4], [2, 4, "8"]):
        with pytest.raises(CheckpointError, match=r"decoding\.big_blank_durations"):
            model_config(changed(several, "decoding.big_blank_durations", wrong))


def test_a_stateless_predictor():
    decoder = {
        "_target_": MODULES + "StatelessTransducerDecoder",
        "prednet": {"pred_hidden": 30},
    }
    config = model_config(changed(TDT, "decoder", decoder)).sizes
    assert config.transducer.predictor == StatelessPredictor(30, 1, layer_norm=False)
    assert config.transducer.predictor.widths == (30,)
    decoder |= {"context_size": 4, "normalization_mode": "layer"}
    config = model_config(changed(TDT, "decoder", decoder)).sizes
    assert config.transducer.predictor == StatelessPredictor(30, 4, layer_norm=True)
    assert config.transducer.predictor.widths == (21, 3, 3, 3)


@pytest.mark.parametrize("context", [0, 16, 65])
def test_a_stateless_predictor_sees_as_many_tokens_as_there_is_room_for(context):
    decoder = {
        "_target_": MODULES + "StatelessTransducerDecoder",
        "prednet": {"pred_hidden": 30},
        "context_size": context,
    }
    with pytest.raises(CheckpointError, match=r"decoder\.context_size"):
        model_config(changed(TDT, "decoder", decoder))


def test_a_hat_joint_has_no_durations():
    hat = changed(TDT, "joint._target_", MODULES + "HATJoint")
    with pytest.raises(UnsupportedModelError, match=r"joint\.num_extra_outputs is 3"):
        model_config(hat)
    found = model_config(changed(hat, "joint.num_extra_outputs", 0)).sizes
    assert found.transducer.joint == "hat"
    assert found.heads == ("rnnt",)


@pytest.mark.parametrize(
    ("base", "path", "value", "read", "expected"),
    [
        (CTC, "preprocessor.window_size", 0.025, "features.window_length", 400),
        (CTC, "preprocessor.preemph", None, "features.preemphasis", 0.0),
        (CTC, "preprocessor.log_zero_guard_value", "1e-5", "features.log_zero_guard", 1e-5),
        (CTC, "preprocessor.log_zero_guard_value", "eps", "features.log_zero_guard", 2.0**-23),
        (CTC, "preprocessor.log_zero_guard_value", "tiny", "features.log_zero_guard", 2.0**-126),
        (CTC, "preprocessor.normalize", "NA", "features.normalize", "none"),
        (CTC, "preprocessor.normalize", None, "features.normalize", "none"),
        (CTC, "encoder.att_context_size", None, "encoder.attention_contexts", ((-1, -1),)),
        (CTC, "encoder.att_context_size", [128, 64], "encoder.attention_contexts", ((128, 64),)),
        (
            CTC,
            "encoder.att_context_size",
            [[70, 13], [70, 0]],
            "encoder.attention_contexts",
            ((70, 13), (70, 0)),
        ),
        (CTC, "encoder.att_context_style", "chunked_limited", "encoder.attention_style", ...),
        (CTC, "encoder.conv_context_size", "causal", "encoder.conv_context", (30, 0)),
        (CTC, "encoder.conv_context_size", [20, 10], "encoder.conv_context", (20, 10)),
        (CTC, "encoder.conv_norm_type", "fused_batch_norm", "encoder.conv_norm", ...),
        (CTC, "encoder.feat_in", "${preprocessor.features}", "encoder.d_model", 32),
        (TDT, "joint.jointnet.joint_hidden", "${model_defaults.j}", "transducer.joint_hidden", 12),
        (TDT, "joint.jointnet.joint_hidden", "${model.model_defaults.j}", "heads", ("tdt",)),
        (TDT, "joint.jointnet.joint_hidden", ..., "transducer.joint_hidden", 17),
        (TDT, "joint.jointnet.dropout", 0.0, "transducer.output_layer", 1),
        (TDT, "joint.num_extra_outputs", 0, "heads", ("rnnt",)),
        (TDT, "decoding.durations", [0, 2, 8], "transducer.durations", (0, 2, 8)),
        (TDT, "decoding.greedy.max_symbols", 5, "transducer.max_symbols", 5),
        (TDT, "decoding.greedy.max_symbols", None, "transducer.max_symbols", 0),
        (TDT, "decoding.greedy", {"max_symbols": None, "max_symbols_per_step": 7}, ..., 7),
        (TDT, "decoding.greedy", {"strategy": "x"}, "transducer.max_symbols", 10),
    ],
)
def test_settings(base, path, value, read, expected):
    base = {**base, "model_defaults": {"j": 12, "joint_hidden": 17}}
    base = changed(base, "preprocessor.features", 64)
    result: Any = model_config(changed(base, path, value)).sizes
    for part in ("transducer.max_symbols" if read is ... else read).split("."):
        result = getattr(result, part)
    assert result == (value if expected is ... else expected)


def test_a_window_in_samples():
    base = changed(CTC, "preprocessor.window_size", None)
    features = model_config(changed(base, "preprocessor.n_window_size", 400)).sizes.features
    assert (features.window_length, features.hop_length, features.n_fft) == (400, 160, 512)


@pytest.mark.parametrize(
    ("base", "path", "value"),
    [
        (CTC, "target", "nemo.collections.asr.models.EncDecMultiTaskModel"),
        (CTC, "preprocessor._target_", MODULES + "AudioToMFCCPreprocessor"),
        (CTC, "preprocessor.log", False),
        (CTC, "preprocessor.exact_pad", True),
        (CTC, "preprocessor.frame_splicing", 3),
        (CTC, "preprocessor.normalize", "all_features"),
        (CTC, "preprocessor.normalize", {"fixed_mean": [0], "fixed_std": [1]}),
        (CTC, "preprocessor.log_zero_guard_type", "clamp"),
        (CTC, "encoder._target_", MODULES + "SqueezeformerEncoder"),
        (CTC, "encoder.self_attention_model", "abs_pos"),
        (CTC, "encoder.att_context_style", "chunked"),
        (CTC, "encoder.subsampling", "vggnet"),
        (CTC, "encoder.subsampling", "stacking"),
        (CTC, "encoder.subsampling", None),
        (CTC, "encoder.subsampling_factor", 6),
        (CTC, "encoder.conv_norm_type", "group_norm8"),
        (CTC, "encoder.conv_context_style", "causal"),
        (CTC, "encoder.feat_out", 99),
        (CTC, "decoder._target_", MODULES + "LSTMDecoder"),
        (CTC, "decoder.add_blank", False),
        (TDT, "decoder.normalization_mode", "layer"),
        (TDT, "decoder.blank_as_pad", False),
        (TDT, "decoder.prednet.rnn_hidden_size", 99),
        (TDT, "joint.jointnet.activation", "gelu"),
    ],
)
def test_what_is_not_supported_is_named(base, path, value):
    name = "EncDecMultiTaskModel" if path == "target" else path
    with pytest.raises(UnsupportedModelError, match=rf"{name} .*not supported.*supported"):
        model_config(changed(base, path, value))


@pytest.mark.parametrize(
    ("base", "path"),
    [
        (CTC, "target"),
        (CTC, "preprocessor"),
        (CTC, "encoder"),
        (CTC, "encoder._target_"),
        (CTC, "encoder.n_layers"),
        (CTC, "encoder.d_model"),
        (CTC, "decoder"),
        (TDT, "joint"),
        (TDT, "joint.jointnet"),
        (TDT, "joint.jointnet.joint_hidden"),
        (TDT, "joint.jointnet.activation"),
        (TDT, "decoder.prednet.pred_hidden"),
        (TDT, "decoder.prednet.pred_rnn_layers"),
    ],
)
def test_a_missing_key_is_named(base, path):
    with pytest.raises(CheckpointError, match=f"no (key|value for) '{path}'"):
        model_config(changed(base, path, ...))


def test_missing_durations_are_named():
    with pytest.raises(CheckpointError, match=r"decoding\.durations"):
        model_config(changed(TDT, "loss", ...))


@pytest.mark.parametrize(
    ("base", "path", "value"),
    [
        (CTC, "target", ["EncDecCTCModel"]),
        (CTC, "encoder", "ConformerEncoder"),
        (CTC, "encoder.n_layers", "three"),
        (CTC, "encoder.n_layers", 0),
        (CTC, "encoder.n_layers", True),
        (CTC, "encoder.n_layers", 10**9),
        (CTC, "encoder.n_layers", "${encoder.n_layers}"),
        (CTC, "encoder.n_layers", "${encoder.depth}"),
        (CTC, "encoder.d_model", 2**40),
        (CTC, "encoder.n_heads", 5),
        (CTC, "encoder.feat_in", 80),
        (CTC, "encoder.use_bias", "yes please"),
        (CTC, "encoder.conv_kernel_size", 8),
        (CTC, "encoder.conv_context_size", [3, 3]),
        (CTC, "encoder.att_context_size", [70]),
        (CTC, "encoder.att_context_size", [[70, "x"]]),
        (CTC, "encoder.att_context_size", {"left": 1}),
        (CTC, "preprocessor.n_fft", 256),
        (CTC, "preprocessor.window_size", float("nan")),
        (CTC, "preprocessor.window_size", 1e30),
        (CTC, "preprocessor.mag_power", float("inf")),
        (CTC, "decoder.feat_in", 99),
        (TDT, "joint.jointnet.encoder_hidden", 99),
        (TDT, "joint.jointnet.pred_hidden", 99),
        (TDT, "joint.num_extra_outputs", 5),
        (TDT, "loss.tdt_kwargs.durations", [0, 1, -2]),
        (TDT, "decoding.greedy.max_symbols", -1),
    ],
)
def test_values_that_make_no_sense_are_named(base, path, value):
    key = r"loss\.tdt_kwargs\.durations|" + path.rpartition(".")[2]
    with pytest.raises(CheckpointError, match=key):
        model_config(changed(base, path, value))


def test_chunks_must_divide_the_left_context():
    base = changed(CTC, "encoder.att_context_style", "chunked_limited")
    with pytest.raises(CheckpointError, match=r"att_context_size.*70 does not divide into .* 4"):
        model_config(changed(base, "encoder.att_context_size", [70, 3]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"- a\n- b\n",
        b"just text",
        b"a: [1, 2",
        b"a: !!python/object/apply:os.system [ls]",
        b"\xff\xfe\x00",
        b"a: 2001-99-99",
        b"[" * 100_000,
        b"\n".join(b" " * depth + b"a:" for depth in range(500)),
        b"base: &b {x: 1}\na: {<<: *b}\n",
        b"a: *nowhere",
    ],
)
def test_bad_yaml_is_an_error(data):
    with pytest.raises(CheckpointError, match=r"model_config\.yaml"):
        parse_yaml(data, "model_config.yaml")


def test_aliases_do_not_multiply():
    lines = ["a0: &a0 [x, x]"] + [
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 60)
    ]
    values = parse_yaml("\n".join(lines).encode(), "model_config.yaml")
    with pytest.raises(CheckpointError, match="no key 'target'"):
        model_config(values)
    with pytest.raises(CheckpointError, match="target must be text, not a list"):
        model_config({"target": values["a59"]})
    with pytest.raises(UnsupportedModelError, match="a list"):
        model_config(changed(CTC, "encoder.subsampling", values["a59"]))


def test_every_published_architecture_is_understood():
    heads = {}
    for name in ARCHITECTURES:
        config = read_members(DATA / name / "model.nemo")["model_config.yaml"]
        heads[name] = model_config(parse_yaml(config, name)).sizes.heads
    assert heads == {
        "fastconformer-striding-reduction": ("rnnt", "ctc"),
        "parakeet-unified-en-0.6b": ("rnnt",),
        "conformer-ctc-char": ("ctc",),
        "conformer-ctc-unigram": ("ctc",),
        "conformer-ctc-wpe": ("ctc",),
        "conformer-hat": ("rnnt",),
        "conformer-tdt-stateless": ("tdt",),
        "fast-conformer-long": ("rnnt",),
        "nemotron-3.5-asr-streaming-0.6b": ("rnnt",),
        "nemotron-speech-streaming-en-0.6b": ("rnnt",),
        "parakeet-ctc-0.6b": ("ctc",),
        "parakeet-rnnt-0.6b": ("rnnt",),
        "parakeet-tdt-0.6b-v2": ("tdt",),
        "parakeet-tdt-0.6b-v2-local": ("tdt",),
        "parakeet-tdt-0.6b-v3": ("tdt",),
        "parakeet-tdt-1.1b": ("tdt",),
        "parakeet-tdt_ctc-1.1b": ("tdt", "ctc"),
        "parakeet-tdt_ctc-110m": ("tdt", "ctc"),
        "parakeet_realtime_eou_120m-v1": ("rnnt",),
        "stt_en_conformer_ctc_small": ("ctc",),
        "stt_en_conformer_transducer_small": ("rnnt",),
        "stt_en_fastconformer_hybrid_large_pc": ("rnnt", "ctc"),
        "stt_en_fastconformer_hybrid_large_streaming_multi": ("rnnt", "ctc"),
        "stt_enes_conformer_ctc_large": ("ctc",),
        "stt_enes_conformer_transducer_large": ("rnnt",),
    }
