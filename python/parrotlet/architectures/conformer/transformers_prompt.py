"""The language prompt of a model that `transformers` saved."""

from __future__ import annotations

from dataclasses import replace

from parrotlet.architectures.keys import Section
from parrotlet.architectures.prompt import AUTO, MAX_PROMPTS, Prompt, is_dictionary
from parrotlet.errors import CheckpointError

_AUTO_PROMPT = 101  # Nemotron3_5AsrConfig's default_prompt_id


def prompt_of(config: Section, processor: Section) -> Prompt:
    """transformers' Nemotron3_5AsrPromptProjector, and the languages that the processor names.

    Raises CheckpointError for languages without a prompt, and for a processor that names none.
    """
    count = config.integer("num_prompts", 128)
    if count > MAX_PROMPTS:
        raise CheckpointError(f"{config.file}: num_prompts is {count}")
    dictionary = processor.section("prompt_dictionary").values
    if not is_dictionary(dictionary, count):
        raise CheckpointError(
            f"{processor.file}: prompt_dictionary must give each language a prompt from 0 to "
            f"{count - 1}"
        )
    hidden = config.integer("prompt_intermediate_size", 2048)
    prompt = Prompt.of_dictionary(count, hidden, dictionary)
    default = config.integer("default_prompt_id", _AUTO_PROMPT, least=0)
    named = [name for name, index in dictionary.items() if index == default]
    return replace(prompt, default=AUTO if AUTO in named else next(iter(named), None))
