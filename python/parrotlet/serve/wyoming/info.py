"""What the server tells of itself: a program for each model, so that a client can choose one."""

from __future__ import annotations

from wyoming.info import AsrModel, AsrProgram, Attribution, Info

from parrotlet.known_models import known_models
from parrotlet.model import Model
from parrotlet.serve.models import LoadedModel, ModelPool

_UNKNOWN = ("en",)
"""Languages of a model that nothing is known about: clients need one to choose it by."""


class Descriptions:
    """The programs of a server, each described once."""

    def __init__(self, models: ModelPool) -> None:
        """Describe these models; each is loaded when it is first asked about."""
        self._models = models
        self._programs: dict[str, AsrProgram] = {}

    async def info(self) -> Info:
        """Return all of them, the default first. Raises ApiError for one that cannot be loaded."""
        for name in self._models.names:
            if name not in self._programs:
                async with self._models.borrow(name) as loaded:
                    self._programs[name] = _program(loaded)
        return Info(asr=[self._programs[name] for name in self._models.names])


def _program(loaded: LoadedModel) -> AsrProgram:
    model = loaded.model
    source = Attribution(name=model.name, url="")
    described = AsrModel(
        name=loaded.name,
        attribution=source,
        installed=True,
        description=f"{model.name} ({', '.join(model.heads)})",
        version=None,
        languages=list(spoken_languages(model)),
    )
    return AsrProgram(
        name=loaded.name,
        attribution=source,
        installed=True,
        description="parrotlet: speech recognition on the CPU",
        version=None,
        models=[described],
        supports_transcript_streaming=loaded.can_stream,
        requires_external_vad=not ends_turns(loaded),
    )


def spoken_languages(model: Model) -> tuple[str, ...]:
    """Return what a model is for: those that it can be told, those of its vocabulary, or those of
    the published model of its name."""
    told = tuple(name for name in model.languages if name != "auto")
    if told:
        return told
    parts = model.metadata.get("tokenizer.ggml.languages")
    if parts:
        return tuple(parts)
    for known in known_models():
        if known.name.rpartition("/")[2] == model.name and known.languages:
            return known.languages
    return _UNKNOWN


def ends_turns(loaded: LoadedModel) -> bool:
    """Whether a turn is ended here, without the client saying so."""
    return loaded.can_stream and loaded.model.ends_utterances
