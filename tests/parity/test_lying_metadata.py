"""Model files whose metadata is well-formed and wrong: one clear error, or a harmless result."""

import gguf
import numpy as np
import pytest
from gguf_files import Reader, rewrite

from parrotlet import ModelFileError, UnsupportedModelError, _core

ARCHITECTURES = [
    "lmu/recurrent-live",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "conformer-hat",
            "conformer-tdt-stateless",
            "fast-conformer-long",
            "fastconformer-striding-reduction",
            "lmu/attention",
            "lmu/fft",
            "lmu/recurrent",
            "nemotron-3.5-asr-streaming-0.6b",
            "nemotron-speech-streaming-en-0.6b",
            "parakeet-tdt_ctc-1.1b",
            "parakeet-tdt_ctc-110m",
            "parakeet-unified-en-0.6b",
            "stt_en_conformer_ctc_small",
            "stt_enes_conformer_transducer_large",
        )
    ),
]
CHARSMAP = "tokenizer.ggml.precompiled_charsmap"
NUMBERS = [0, 1, 2, 3, 7, 63, 65, 255, 4097, 2**20, 2**31 - 1]


def run(path):
    """Every stage of a model on half a second of noise."""
    model = _core.Model(str(path), 1)
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32) / 10
    features = model.features(samples)
    if not len(features):
        return
    for left, right in ((-1, -1), (14, 1), (0, 0)):
        encoded = model.encode(features, left, right)
    heads = model.metadata.get("conformer.heads", ["ctc"])
    if "ctc" in heads:
        model.ctc_log_probs(encoded)
    for head in heads:
        search = _core.Search(model, head, _core.SearchOptions(10))
        search.feed(encoded)
        search.finish()
    if model.can_stream:
        stream = _core.Stream(model, 14, 1)
        stream.feed(samples)
        stream.finish()
        stream.revise()


def values_for(field):
    kind = field.types[0]
    if kind == gguf.GGUFValueType.STRING:
        return [None, "", "nonsense", "\N{PILE OF POO}" * 40]
    if kind == gguf.GGUFValueType.BOOL:
        return [None, not field.contents()]
    if kind == gguf.GGUFValueType.ARRAY:
        return (
            [None, [0], [-1, -1], [2**31 - 1, 2**31 - 1]]
            if isinstance(field.contents()[0], int)
            else [None, ["nonsense"]]
        )
    if kind == gguf.GGUFValueType.FLOAT32:
        return [None, 0.0, float("nan"), 1e30, -1.0]
    return [None, *NUMBERS]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_any_wrong_value_is_refused_or_harmless(architecture, converted, tmp_path):
    source = converted(architecture, "q8_0")
    target = tmp_path / "wrong.gguf"
    outcomes = set()
    for key, field in Reader(source).fields.items():
        if not key.startswith(("conformer.", "lmu.")):
            continue
        for value in values_for(field):
            rewrite(source, target, {key: value, CHARSMAP: None})
            try:
                run(target)
                outcomes.add("ran")
            except (ModelFileError, UnsupportedModelError) as error:
                assert "wrong.gguf" in str(error)
                outcomes.add("refused")
    assert outcomes == {"ran", "refused"}


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (["tdt", "rnnt"], "conformer.heads lists a second head of the kind of 'rnnt'"),
        (["ctc", "tdt", "ctc"], "conformer.heads lists a second head of the kind of 'ctc'"),
        (["ctc", "aed"], r"decoder 'aed' is not supported \(ctc, rnnt and tdt are\)"),
    ],
)
def test_heads_that_no_model_has(heads, message, converted, tmp_path):
    target = tmp_path / "wrong.gguf"
    rewrite(converted("parakeet-tdt_ctc-110m", "q8_0"), target, {"conformer.heads": heads})
    with pytest.raises((ModelFileError, UnsupportedModelError), match=f"wrong.gguf: {message}"):
        _core.Model(str(target), 1)


@pytest.mark.parametrize("head", ["ctc", "tdt"])
def test_a_head_that_a_file_does_not_list_is_not_there(head, converted, tmp_path):
    target = tmp_path / "one.gguf"
    rewrite(converted("parakeet-tdt_ctc-110m", "q8_0"), target, {"conformer.heads": [head]})
    model = _core.Model(str(target), 1)
    encoded = np.zeros((2, model.metadata["conformer.embedding_length"]), np.float32)
    if head == "ctc":
        assert model.ctc_log_probs(encoded).shape == (2, model.metadata["conformer.vocab_size"] + 1)
        with pytest.raises(ValueError, match="the model has no head 'tdt'"):
            _core.Search(model, "tdt", _core.SearchOptions(10))
        with pytest.raises(ValueError, match="the model has no transducer head"):
            _core.kernels.hypotheses(model, [], [], encoded[:1])
    else:
        _core.Search(model, "tdt", _core.SearchOptions(10)).feed(encoded)
        with pytest.raises(ValueError, match="the model has no CTC head"):
            model.ctc_log_probs(encoded)
