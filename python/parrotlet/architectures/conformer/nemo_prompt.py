"""The language prompt of a NeMo configuration."""

from __future__ import annotations

from parrotlet.architectures.keys import Section
from parrotlet.architectures.nemo import require_width
from parrotlet.architectures.prompt import MAX_PROMPTS, Prompt, is_dictionary
from parrotlet.errors import CheckpointError

_DEFAULT_PROMPTS = 128  # PromptStreamingMixin's


def prompt_of(root: Section, d_model: int) -> Prompt | None:
    """nemo.collections.asr.parts.mixins.PromptStreamingMixin; None for a model that was made
    without prompts. Raises CheckpointError for languages without a prompt."""
    defaults = root.section("model_defaults", optional=True)
    if not defaults.flag("initialize_prompt_feature", False):
        return None
    count = defaults.integer("num_prompts", _DEFAULT_PROMPTS)
    if count > MAX_PROMPTS:
        raise CheckpointError(f"model_config.yaml: {defaults.name('num_prompts')} is {count}")
    require_width(defaults, "enc_hidden", d_model)
    dictionary = defaults.section("prompt_dictionary")
    if not is_dictionary(dictionary.values, count):
        raise CheckpointError(
            f"model_config.yaml: {defaults.name('prompt_dictionary')} must give each language a "
            f"prompt from 0 to {count - 1}"
        )
    return Prompt.of_dictionary(count, 2 * d_model, dictionary.values)
