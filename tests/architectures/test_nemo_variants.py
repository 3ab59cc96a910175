"""Configurations of encoders that few checkpoints have, and of language prompts."""

from __future__ import annotations

import pytest
from nemo_configs import CTC, TDT, changed

from parrotlet.architectures.buffering import ChunkContexts
from parrotlet.architectures.conformer.nemo_config import model_config
from parrotlet.architectures.conformer.reduction import Reduction
from parrotlet.errors import CheckpointError, UnsupportedModelError

# Reduction ----------------------------------------------------------------------------------


def reducing(kind, factor, position):
    base = changed(CTC, "encoder.reduction", kind)
    base = changed(base, "encoder.reduction_factor", factor)
    return changed(base, "encoder.reduction_position", position)


@pytest.mark.parametrize("kind", ["pooling", "striding"])
@pytest.mark.parametrize(("position", "block"), [(0, 0), (2, 2), (-1, 2)])
def test_reduction(kind, position, block):
    sizes = model_config(reducing(kind, 2, position)).sizes
    assert sizes.encoder.reduction == Reduction(kind, 2, block)
    assert sizes.subsampling_factor == 8


def test_reduction_by_one_is_none():
    assert (
        model_config(changed(CTC, "encoder.reduction", "pooling")).sizes.encoder.reduction is None
    )
    assert model_config(reducing(None, 2, 0)).sizes.encoder.reduction is None


@pytest.mark.parametrize(
    ("kind", "factor", "position", "error", "message"),
    [
        ("averaging", 2, 0, UnsupportedModelError, "'pooling' or 'striding'"),
        # NeMo's lengths are wrong there: it keeps a 16th of the frames.
        ("pooling", 4, 0, UnsupportedModelError, "2 or 3 for 'pooling'"),
        ("striding", 6, 0, UnsupportedModelError, "a power of two"),
        ("striding", 2, 3, CheckpointError, "there are 3 layers"),
        ("striding", 2, None, CheckpointError, "reduction_position"),
    ],
)
def test_reductions_that_there_are_not(kind, factor, position, error, message):
    with pytest.raises(error, match=message):
        model_config(reducing(kind, factor, position))


# Buffered streaming -------------------------------------------------------------------------


def unified(contexts):
    base = changed(CTC, "encoder.att_context_style", "chunked_limited_with_rc")
    base = changed(base, "encoder.conv_context_style", "dcc")
    return changed(base, "encoder.att_chunk_context_size", contexts)


def test_a_unified_model_attends_to_all_and_has_contexts_for_streams():
    # NeMo does not read att_context_size then.
    base = changed(unified([[70], [1, 7], [0, 7]]), "encoder.att_context_size", [10, 10])
    sizes = model_config(base).sizes
    assert sizes.contexts == ((-1, -1),)
    assert sizes.chunk_contexts == ChunkContexts((70,), (1, 7), (0, 7))
    assert sizes.can_stream
    assert not model_config(unified(None)).sizes.can_stream


@pytest.mark.parametrize(
    "contexts", [[[70], [1]], [70, 7, 7], [[70], [0], [1]], [[70], [], [1]], [[-1], [1], [1]]]
)
def test_contexts_of_a_unified_model_that_make_no_sense(contexts):
    with pytest.raises(CheckpointError, match="must be three lists of encoder frames"):
        model_config(unified(contexts))


def test_contexts_of_a_unified_model_need_its_style():
    with pytest.raises(CheckpointError, match=r"needs encoder\.att_context_style"):
        model_config(changed(CTC, "encoder.att_chunk_context_size", [[70], [1], [1]]))


# Local attention ----------------------------------------------------------------------------

LOCAL = changed(
    changed(CTC, "encoder.self_attention_model", "rel_pos_local_attn"),
    "encoder.att_context_size",
    [128, 128],
)


@pytest.mark.parametrize(
    ("tokens", "style"), [(..., "regular"), (0, "regular"), (1, "global_token")]
)
def test_local_attention(tokens, style):
    base = LOCAL if tokens is ... else changed(LOCAL, "encoder.global_tokens", tokens)
    encoder = model_config(base).sizes.encoder
    assert (encoder.attention_style, encoder.attention_contexts) == (style, ((128, 128),))


def test_global_tokens_are_those_of_local_attention():
    """NeMo reads the setting in any configuration, and has the tokens in local attention alone."""
    base = changed(changed(CTC, "encoder.global_tokens", 4), "encoder.global_attn_separate", True)
    assert model_config(base).sizes.encoder.attention_style == "regular"


def test_the_spacing_of_one_global_token_does_not_count():
    base = changed(changed(LOCAL, "encoder.global_tokens", 1), "encoder.global_tokens_spacing", 9)
    assert model_config(base).sizes.encoder.attention_style == "global_token"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("global_tokens", 2),
        ("att_context_size", [128, 64]),
        ("att_context_size", [-1, -1]),
        ("att_context_size", [0, 0]),
        ("att_context_size", [[128, 128], [64, 64]]),
        ("att_context_size", [20_000, 20_000]),
        ("att_context_size", ...),
        ("att_context_style", "chunked_limited"),
    ],
)
def test_local_attention_that_is_not_supported_is_named(path, value):
    with pytest.raises(UnsupportedModelError, match=rf"{path} .*not supported"):
        model_config(changed(LOCAL, f"encoder.{path}", value))


def test_projections_of_global_tokens_are_not_supported():
    base = changed(LOCAL, "encoder.global_attn_separate", True)
    assert model_config(base).sizes.encoder.attention_style == "regular"  # there is no token
    with pytest.raises(UnsupportedModelError, match="global_attn_separate"):
        model_config(changed(base, "encoder.global_tokens", 1))


# Prompts ------------------------------------------------------------------------------------

PROMPTED = changed(TDT, "target", "nemo.x.EncDecRNNTBPEModelWithPrompt") | {
    "model_defaults": {
        "enc_hidden": 32,
        "initialize_prompt_feature": True,
        "num_prompts": 8,
        "prompt_dictionary": {"en-US": 0, "de-DE": 3, "auto": 7},
    }
}


def test_prompts():
    prompt = model_config(PROMPTED).sizes.prompt
    assert (prompt.count, prompt.hidden, prompt.default) == (8, 64, "auto")
    assert (prompt.languages, prompt.indices) == (("en-US", "de-DE", "auto"), (0, 3, 7))
    assert [prompt.index(name) for name in ("de-DE", "fr-FR")] == [3, None]
    # NeMo's own default; and no language is the default without one for it.
    path = "model_defaults.num_prompts"
    assert model_config(changed(PROMPTED, path, ...)).sizes.prompt.count == 128
    path = "model_defaults.prompt_dictionary"
    assert model_config(changed(PROMPTED, path, {"en": 1})).sizes.prompt.default is None
    # The class can be made without prompts, and other classes have none.
    path = "model_defaults.initialize_prompt_feature"
    assert model_config(changed(PROMPTED, path, False)).sizes.prompt is None
    assert model_config(changed(PROMPTED, path, ...)).sizes.prompt is None
    assert model_config(changed(PROMPTED, "target", TDT["target"])).sizes.prompt is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("num_prompts", 0, "model_defaults.num_prompts must be"),
        ("num_prompts", 2000, "model_defaults.num_prompts is 2000"),
        ("num_prompts", 7, "model_defaults.prompt_dictionary must give each language a prompt"),
        ("prompt_dictionary", ..., "no key 'model_defaults.prompt_dictionary'"),
        ("prompt_dictionary", {}, "must give each language a prompt from 0 to 7"),
        ("prompt_dictionary", {"en": -1}, "must give each language a prompt from 0 to 7"),
        ("prompt_dictionary", {"en": "0"}, "must give each language a prompt from 0 to 7"),
        ("prompt_dictionary", {5: 0}, "must give each language a prompt from 0 to 7"),
        ("prompt_dictionary", ["en"], "model_defaults.prompt_dictionary must be a mapping"),
        ("enc_hidden", 64, "model_defaults.enc_hidden is 64, but its input has 32"),
    ],
)
def test_prompts_that_make_no_sense(path, value, message):
    with pytest.raises(CheckpointError, match=message):
        model_config(changed(PROMPTED, f"model_defaults.{path}", value))
