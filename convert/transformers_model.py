"""A model directory as `transformers` saves it: `model.save_pretrained` and the processor's.

Its modules are NeMo's under other names, so tensors are given NeMo's names here, and everything
after that is as for a `.nemo` archive. The filterbank and the window are no weights there and are
computed. Names: `transformers.models.parakeet.modeling_parakeet`,
`transformers.models.nemotron_asr_streaming.modeling_nemotron_asr_streaming` and
`transformers.models.nemotron3_5_asr.modeling_nemotron3_5_asr`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architectures.configured import PROCESSORS, Configured
from ..architectures.conformer.sizes import Conformer
from ..architectures.conformer.transformers_config import model_config
from ..architectures.features import Features
from ..architectures.keys import Section
from ..architectures.mel import hann_window, mel_filterbank
from ..errors import CheckpointError
from ..signatures import HEAD_BYTES
from .archive import MAX_SMALL_MEMBER, Window, check_fetched
from .checkpoint import unwrapped
from .safetensors_file import SafetensorsFile
from .tokenizer import Vocabulary
from .tokenizer_json import FILE as TOKENIZER
from .tokenizer_json import parse_tokenizer

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"

MAX_SHARDS = 1000

# The first that matches a name, module by module from the left, is replaced.
_RENAMES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"encoder\.subsampling\.linear\.", "encoder.pre_encode.out."),
        (r"encoder\.subsampling\.conv_in\.", "encoder.pre_encode.conv.0."),
        (r"encoder\.subsampling\.layers\.(\d+)\.depthwise_conv\.", "encoder.pre_encode.conv.{2}."),
        (r"encoder\.subsampling\.layers\.(\d+)\.pointwise_conv\.", "encoder.pre_encode.conv.{3}."),
        (r"encoder\.subsampling\.layers\.", "encoder.pre_encode.conv."),
        (r"(encoder\.layers\.\d+\.self_attn\.)([qkv])_proj\.", r"\1linear_\2."),
        (r"(encoder\.layers\.\d+\.self_attn\.)o_proj\.", r"\1linear_out."),
        (r"(encoder\.layers\.\d+\.self_attn\.)relative_k_proj\.", r"\1linear_pos."),
        (r"(encoder\.layers\.\d+\.self_attn\.)bias_([uv])$", r"\1pos_bias_\2"),
        (r"(encoder\.layers\.\d+\.conv\.)norm\.", r"\1batch_norm."),
        (r"ctc_head\.", "decoder.decoder_layers.0."),
        (r"encoder_projector\.", "joint.enc."),
        (r"decoder\.decoder_projector\.", "joint.pred."),
        (r"decoder\.embedding\.", "decoder.prediction.embed."),
        (r"decoder\.lstm\.", "decoder.prediction.dec_rnn.lstm."),
        (r"joint\.head\.", "joint.joint_net.2."),
        (r"prompt_projector\.linear_1\.", "prompt_kernel.0."),
        (r"prompt_projector\.linear_2\.", "prompt_kernel.2."),
    )
]

# The table of sine frequencies, which is computed.
_NO_WEIGHT = re.compile(r"encoder\.encode_positions\..*")


def nemo_name(name: str) -> str:
    """NeMo's name of a tensor."""
    for pattern, replacement in _RENAMES:
        found = pattern.match(name)
        if found is not None:
            if "{" in replacement:  # NeMo numbers three modules to a stage, the first stage has two
                stage = int(found.group(1)) if len(found.group(1)) < 4 else 0
                new = replacement.format(*(3 * stage + offset for offset in range(4)))
            else:
                new = found.expand(replacement)
            return new + name[found.end() :]
    return name


@dataclass(frozen=True)
class Computed:
    """A tensor that is no weight of the checkpoint."""

    values: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return self.values.shape


class TransformersState(Mapping[str, Any]):
    """The tensors of all files by NeMo's names, and the frontend's; `read` gives values."""

    def __init__(self, files: list[SafetensorsFile], features: Features) -> None:
        """`files` together hold the weights; CheckpointError if two hold the same one."""
        bank = mel_filterbank(features.sample_rate, features.n_fft, features.mel_bands)
        self._computed = {
            "preprocessor.featurizer.fb": Computed(bank[None]),
            "preprocessor.featurizer.window": Computed(hann_window(features.window_length)),
        }
        self._places: dict[str, tuple[SafetensorsFile, str]] = {}
        for file in files:
            plain = unwrapped(file)
            for name in file:
                new = nemo_name(plain[name])
                if new in self._places or new in self._computed:
                    raise CheckpointError(f"tensor {name!r:.80} is in the checkpoint twice")
                if not _NO_WEIGHT.fullmatch(new):
                    self._places[new] = file, name

    def __getitem__(self, name: str) -> Any:
        """What has the `shape` of a tensor."""
        if name in self._computed:
            return self._computed[name]
        file, theirs = self._places[name]
        return file[theirs]

    def __iter__(self) -> Iterator[str]:
        """NeMo's names."""
        yield from self._computed
        yield from self._places

    def __len__(self) -> int:
        """Number of tensors."""
        return len(self._computed) + len(self._places)

    def read(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor."""
        if name in self._computed:
            return self._computed[name].values
        file, theirs = self._places[name]
        return file.read(theirs)


@dataclass(frozen=True)
class TransformersModel:
    """A model directory: what a `.nemo` archive would say, and its tensors by NeMo's names."""

    config: Configured[Conformer]
    vocabulary: Vocabulary
    state: TransformersState


def is_model_directory(path: Path) -> bool:
    """Whether `path` is a directory with a `config.json`."""
    return (path / CONFIG).is_file()


@contextlib.contextmanager
def open_model(directory: Path) -> Iterator[TransformersModel]:
    """Open a directory that `transformers` has saved.

    Raises CheckpointError if a file is missing or damaged, UnsupportedModelError for models of
    other classes or with settings that parrotlet does not compute.
    """
    config = model_config(_section(directory, CONFIG), _processor(directory))
    (_, size), *_ = config.vocab_sizes
    vocabulary = parse_tokenizer(_json(directory, TOKENIZER), size)
    with contextlib.ExitStack() as stack:
        files = []
        for name in _weights(directory):
            file = stack.enter_context(_existing(directory, name).open("rb"))
            window = Window(file, 0, file.seek(0, 2), name)
            files.append(SafetensorsFile(window))
        yield TransformersModel(config, vocabulary, TransformersState(files, config.sizes.features))


def _processor(directory: Path) -> Section:
    """`processor_config.json`, in which newer versions have everything, or what came before it.

    A file that older versions wrote under the newer name has no feature extractor in it.
    """
    found = [_section(directory, name) for name in PROCESSORS if (directory / name).is_file()]
    for section in found:
        if "feature_extractor" in section or "feature_size" in section:
            return section
    raise CheckpointError(
        f"describes no feature extractor ({' or '.join(PROCESSORS)}); save the processor there as "
        "well: processor.save_pretrained(DIRECTORY)"
    )


def _weights(directory: Path) -> list[str]:
    """Names of the files that hold the weights."""
    if (directory / WEIGHTS).is_file() or not (directory / INDEX).is_file():
        return [WEIGHTS]
    shards = _json(directory, INDEX).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise CheckpointError(f"{INDEX} has no weight_map from names to files")
    names = sorted(set(shards.values()))
    for name in names:
        # Nothing outside of the directory is opened, whatever the index says.
        if re.fullmatch(r"[\w.-]+\.safetensors", name) is None:
            raise CheckpointError(f"{INDEX} names {name!r:.80}, which is no file of the directory")
    if not 0 < len(names) <= MAX_SHARDS:
        raise CheckpointError(f"{INDEX} lists {len(names)} files")
    return names


def _section(directory: Path, name: str) -> Section:
    return Section(_json(directory, name), file=name)


def _json(directory: Path, name: str) -> dict[str, Any]:
    path = _existing(directory, name)
    with path.open("rb") as file:
        data = file.read(MAX_SMALL_MEMBER + 1)
    if len(data) > MAX_SMALL_MEMBER:
        raise CheckpointError(f"{name} is larger than any such file needs to be")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        check_fetched(data[:HEAD_BYTES], name)
        raise CheckpointError(f"{name} is not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{name} is not a JSON object")
    return values


def _existing(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise CheckpointError(
            f"has no {name}; expected what transformers' save_pretrained writes, as safetensors"
        )
    return path
