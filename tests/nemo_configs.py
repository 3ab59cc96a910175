"""The least that configurations of NeMo can state, and changes of them."""

from __future__ import annotations

from typing import Any

MODULES = "nemo.collections.asr.modules."

# The least that a checkpoint of each kind can state: everything else is NeMo's default.
CTC: dict[str, Any] = {
    "target": "nemo.collections.asr.models.ctc_models.EncDecCTCModel",
    "preprocessor": {"_target_": MODULES + "AudioToMelSpectrogramPreprocessor"},
    "encoder": {
        "_target_": MODULES + "ConformerEncoder",
        "feat_in": 64,
        "n_layers": 3,
        "d_model": 32,
    },
    "decoder": {"_target_": MODULES + "ConvASRDecoder", "vocabulary": ["a", "b"]},
}
TDT: dict[str, Any] = {
    **CTC,
    "target": "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel",
    "decoder": {
        "_target_": MODULES + "RNNTDecoder",
        "prednet": {"pred_hidden": 24, "pred_rnn_layers": 2},
    },
    "joint": {
        "_target_": MODULES + "RNNTJoint",
        "num_extra_outputs": 3,
        "jointnet": {"joint_hidden": 40, "activation": "ReLU", "dropout": 0.2},
    },
    "loss": {"loss_name": "tdt", "tdt_kwargs": {"durations": [0, 1, 4]}},
}


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of `base` with one dotted key set, or removed where `value` is ... ."""
    key, _, rest = path.partition(".")
    copy = dict(base)
    if rest:
        copy[key] = changed(copy.get(key, {}), rest, value)
    elif value is ...:
        del copy[key]
    else:
        copy[key] = value
    return copy
