"""What a model is described by: a file of some kind, or the name of a preset."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parrotlet import _core, hub
from parrotlet._convert import presets as nemo_presets
from parrotlet._convert.archive import CONFIG, Window, open_archive, open_file
from parrotlet._convert.config import Encoder, ModelConfig, Subsampling, Transducer
from parrotlet._convert.lmu_checkpoint import read_lmu
from parrotlet._convert.lmu_config import settings_anywhere
from parrotlet._convert.nemo_config import MODEL_CLASSES, model_config
from parrotlet._convert.tokenizer import read_tokenizer
from parrotlet._convert.torch_zip import is_torch_file
from parrotlet._convert.transformers_model import PROCESSORS
from parrotlet._convert.yaml_config import parse_yaml
from parrotlet.errors import CheckpointError, ParrotletError, UnsupportedModelError
from parrotlet.memory import presets
from parrotlet.memory.hf import parakeet
from parrotlet.memory.keys import Keys, gguf_features
from parrotlet.memory.lmu import stored_type
from parrotlet.memory.lmu_sizes import Lmu
from parrotlet.model_files import DEMO, GGUF_MAGIC, demo_path, magic_of

_WANTED = (
    "a NeMo configuration has 'target' and 'encoder', an LMU one 'memory_size' and "
    "'num_lmu_layers', a Hugging Face one 'model_type', 'encoder_layers' and 'decoder_layers', "
    "'audio_config' and 'text_config', or 'hidden_size' and 'num_hidden_layers'"
)


@dataclass(frozen=True)
class NemoSource:
    """A NeMo model; `stored` are the types of a GGUF file's tensors by name."""

    name: str
    source: str
    config: ModelConfig
    vocab: int
    stored: Mapping[str, str] | None = None


@dataclass(frozen=True)
class LmuSource:
    """The configuration of an LMU model, which may be planned in variants."""

    name: str
    keys: Keys


@dataclass(frozen=True)
class LmuFile:
    """An LMU model in a file, with matrices of a type."""

    name: str
    source: str
    model: Lmu
    type: str


@dataclass(frozen=True)
class HfSource:
    """A Hugging Face configuration and the kind of model that it describes."""

    name: str
    keys: Keys
    kind: str = field(default="")


Source = NemoSource | LmuSource | LmuFile | HfSource


def detect(values: Mapping[str, Any], source: str = "the configuration") -> str:
    """The kind of model a configuration describes: "transducer", "ctc", "encoder-decoder",
    "audio-llm" or "decoder-only". Raises UnsupportedModelError if it is none of them."""
    if _is_nemo(values):
        nemo_class = str(values.get("target", "")).rpartition(".")[2]
        transducer = MODEL_CLASSES.get(nemo_class, ("decoder" in values and "joint" in values,))[0]
        return "transducer" if transducer else "ctc"
    if _is_lmu(values, source):
        return "ctc"
    if str(values.get("model_type")) in parakeet.KINDS:
        return parakeet.KINDS[values["model_type"]]
    values = values.get("thinker_config") or values
    has_audio = any(values.get(key) for key in _AUDIO_KEYS)
    if values.get("is_encoder_decoder") or (
        values.get("encoder_layers") and values.get("decoder_layers")
    ):
        return "encoder-decoder"
    if has_audio:
        return "audio-llm" if _has_text(values) else "encoder-decoder"
    if values.get("model_type") == "whisper":
        return "encoder-decoder"
    if values.get("hidden_size") and values.get("num_hidden_layers"):
        return "decoder-only"
    if values.get("model_type") in ("llama", "mistral", "qwen2", "qwen3", "granite", "phi3"):
        return "decoder-only"
    raise UnsupportedModelError(f"{source}: not a configuration of a known kind: {_WANTED}")


_AUDIO_KEYS = ("audio_config", "audio_model_id", "audio_encoder_config", "encoder_config")


def _has_text(values: Mapping[str, Any]) -> bool:
    keys = ("text_config", "text_model_id", "num_hidden_layers")
    return any(values.get(key) for key in keys)


def _is_nemo(values: Mapping[str, Any]) -> bool:
    return "nemo." in str(values.get("target", "")) or (
        isinstance(values.get("encoder"), Mapping) and "preprocessor" in values
    )


def _is_lmu(values: Mapping[str, Any], source: str) -> bool:
    return bool(settings_anywhere(values, source, ("num_lmu_layers", "memory_size")))


def find(model: str | os.PathLike[str] | Mapping[str, Any]) -> Source:
    """Find out what `model` is, and read its configuration.

    Raises CheckpointError or ModelFileError for a file that is damaged or incomplete and
    UnsupportedModelError for one that describes no model we know, or no file and no preset, and
    HubError if it is the name of a repository of which nothing can be fetched.
    """
    if isinstance(model, Mapping):
        return _of_values(dict(model), "configuration", "the configuration")
    path = Path(os.fspath(model))
    if path.is_dir():
        path = path / "config.json"
    if not path.exists():
        return _preset(os.fspath(model), hub.repository(model))
    return _file(path)


def preset_names() -> list[str]:
    """Every preset by name."""
    return sorted({DEMO, *presets.names(), *nemo_presets.PRESETS})


def _preset(name: str, repository: hub.Repository | None) -> Source:
    """What is known by a name here, or else a repository of the hub."""
    wanted = name.rpartition("/")[2]
    if wanted == DEMO:
        return _gguf(demo_path())
    if wanted in nemo_presets.PRESETS:
        config, vocab = nemo_presets.PRESETS[wanted]
        return NemoSource(wanted, wanted, config, vocab)
    file = presets.find(name)
    if file is None and repository is not None:
        return _repository(repository)
    if file is None:
        close = difflib.get_close_matches(wanted.lower(), preset_names(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UnsupportedModelError(
            f"{name}: no such file, and no preset of that name{hint}; presets: "
            + ", ".join(preset_names())
        )
    known = file.rpartition(".")[0]
    if file.endswith(".json"):
        return _of_values(presets.load_json(file), known, known)
    return _of_values(parse_yaml(presets.read(file), file), known, known)


def _repository(repository: hub.Repository) -> Source:
    """What a repository of the hub holds, as the first of its files says that is understood."""
    problem: ParrotletError = UnsupportedModelError(f"{repository}: holds no model that is known")
    for path in hub.descriptions(repository):
        try:
            return _file(path, repository.name)
        except (CheckpointError, UnsupportedModelError) as error:
            problem = error
    raise problem


def _file(path: Path, repository: str | None = None) -> Source:
    """Read a file; the configuration of a `repository` is called after that."""
    if magic_of(path) == GGUF_MAGIC:
        return _gguf(path)
    name = path.parent.name if path.name == "config.json" and path.parent.name else path.stem
    name = repository or name
    if path.suffix == ".json":
        return _of_values(_json(path), name, str(path), _processor(path.parent))
    if path.suffix in (".yaml", ".yml"):
        return _of_values(_yaml(path.read_bytes(), str(path)), name, str(path))
    return _checkpoint(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: is not a mapping of settings")
    return values


def _processor(directory: Path) -> dict[str, Any] | None:
    """The configuration of the feature extractor that lies beside a `config.json`."""
    for name in PROCESSORS:
        if (directory / name).is_file():
            values = _json(directory / name)
            if "feature_extractor" in values or "feature_size" in values:
                return values
    return None


def _yaml(data: bytes, source: str) -> dict[str, Any]:
    return parse_yaml(data, source)


def _of_values(
    values: dict[str, Any], name: str, source: str, processor: dict[str, Any] | None = None
) -> Source:
    """What a configuration describes; `processor` is that of its processor, if there is one."""
    kind = detect(values, source)
    if _is_lmu(values, source):
        return LmuSource(name, Keys(values, source))
    if _is_nemo(values):
        config = _nemo_config(values, source)
        return NemoSource(name, source, config, _vocabulary(config, source))
    if str(values.get("model_type")) in parakeet.KINDS:
        return NemoSource(name, source, *parakeet.parakeet(Keys(values, source), processor))
    return HfSource(name, Keys(values, source), kind)


# Checkpoints --------------------------------------------------------------------------------


def _checkpoint(path: Path) -> Source:
    try:
        with open_file(path) as file:
            window = Window(file, 0, file.seek(0, os.SEEK_END), path.name)
            if is_torch_file(window):
                model = Lmu.from_config(read_lmu(window, path).config)
                return LmuFile(path.stem, str(path), model, "f32")
        with open_archive(path, scratch=path.parent) as archive:
            values = parse_yaml(archive.config, CONFIG)
            config = model_config(values)
            vocab = len(read_tokenizer(archive, values, config).tokens)
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{path}: {error}") from error.__cause__
    return NemoSource(path.stem, str(path), config, vocab)


def _nemo_config(values: dict[str, Any], source: str) -> ModelConfig:
    try:
        return model_config(values)
    except (CheckpointError, UnsupportedModelError) as error:
        raise error.__class__(f"{source}: {error}") from error.__cause__


def _vocabulary(config: ModelConfig, source: str) -> int:
    if config.vocab_sizes:
        return config.vocab_sizes[-1][1]
    key = "joint.num_classes" if config.transducer else "decoder.num_classes"
    raise CheckpointError(
        f"{source}: model_config.yaml has no value for {key!r}, the size of the vocabulary"
    )


# GGUF ---------------------------------------------------------------------------------------


def _gguf(path: Path) -> Source:
    file = _core.GgufFile(str(path))
    stored = {tensor.name: tensor.type for tensor in file.tensors}
    architecture = file.metadata.get("general.architecture")
    if architecture not in ("conformer", "lmu"):
        raise UnsupportedModelError(
            f"{path}: general.architecture is {architecture!r}; this plans 'conformer' and 'lmu' "
            "files"
        )
    keys = Keys(_unprefixed(file.metadata, f"{architecture}."), str(path))
    name = str(file.metadata.get("general.name") or path.stem)
    if architecture == "lmu":
        return LmuFile(name, str(path), Lmu.from_metadata(keys, stored), stored_type(stored))
    config = _gguf_config(keys, stored)
    return NemoSource(name, str(path), config, keys.integer("vocab_size"), stored)


def _unprefixed(metadata: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}


def _gguf_config(keys: Keys, stored: Mapping[str, str]) -> ModelConfig:
    """What `convert.metadata` wrote down, as far as sizes depend on it."""
    contexts = keys.values.get("attention.contexts") or [-1, -1]
    heads = keys.values.get("heads") or []
    folded = keys.text("conv.norm") == "folded"
    return ModelConfig(
        nemo_class=keys.text("nemo_class"),
        subword=True,
        features=gguf_features(keys),
        encoder=Encoder(
            layers=keys.integer("block_count"),
            d_model=keys.integer("embedding_length"),
            d_ff=keys.integer("feed_forward_length"),
            heads=keys.integer("attention.head_count"),
            use_bias="encoder.layers.0.self_attn.linear_q.bias" in stored,
            xscaling=keys.flag("xscaling"),
            attention_style=keys.text("attention.style"),
            attention_contexts=tuple(zip(contexts[::2], contexts[1::2], strict=True)),
            conv_kernel=keys.integer("conv.kernel_size"),
            conv_context=_pair(keys.integers("conv.context", count=2)),
            conv_norm="batch_norm" if folded else "layer_norm",
            subsampling=Subsampling(
                kind=keys.text("subsampling.type"),
                factor=keys.integer("subsampling.factor", least=2),
                channels=keys.integer("subsampling.channels"),
                causal=keys.flag("subsampling.causal"),
            ),
        ),
        transducer=_gguf_transducer(keys) if set(heads) - {"ctc"} else None,
        ctc_module="ctc_decoder" if "ctc" in heads else None,
        vocab_sizes=(),
    )


def _pair(values: list[int]) -> tuple[int, int]:
    return values[0], values[1]


def _gguf_transducer(keys: Keys) -> Transducer:
    return Transducer(
        predictor_hidden=keys.integer("predictor.hidden"),
        predictor_layers=keys.integer("predictor.layers"),
        joint_hidden=keys.integer("joint.hidden"),
        activation=keys.text("joint.activation"),
        output_layer=2,
        durations=tuple(keys.values.get("tdt.durations") or ()),
        max_symbols=keys.integer("transducer.max_symbols", least=0),
    )
