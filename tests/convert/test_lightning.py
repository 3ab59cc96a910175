"""What PyTorch Lightning saves of a NeMo model in training."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nemo_files import (
    DATA,
    STORAGES,
    Nemo,
    contiguous,
    named,
    number,
    storage,
    tensor,
    text,
    zip_bytes,
)

from parrotlet import convert
from parrotlet.conversion import describe
from parrotlet.errors import CheckpointError, UnsupportedModelError

WORDPIECE = "conformer-ctc-wpe"
LANGUAGES = "stt_enes_conformer_ctc_large"


def made(module: str, name: str, state: bytes) -> bytes:
    """An object that is made without its constructor and given a state."""
    return named(f"omegaconf.{module}", name) + b")\x81" + state + b"b"


def mapping(items: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def metadata(name: str) -> bytes:
    cache = named("collections", "defaultdict") + named("__builtin__", "dict") + b"\x85R"
    kept = {"ref_type": named("typing", "Any"), "key": b"N", "resolver_cache": cache}
    return made("base", name, mapping(kept))


def omegaconf(value: Any) -> bytes:
    """A value in OmegaConf 2.3's containers, as protocol 2 pickles them."""
    if isinstance(value, dict):
        content = mapping({key: omegaconf(item) for key, item in value.items()})
        state = {"_metadata": metadata("ContainerMetadata"), "_content": content}
        return made("dictconfig", "DictConfig", mapping(state))
    if isinstance(value, list):
        content = b"](" + b"".join(map(omegaconf, value)) + b"e"
        state = {"_metadata": metadata("ContainerMetadata"), "_content": content}
        return made("listconfig", "ListConfig", mapping(state))
    state = {"_metadata": metadata("Metadata"), "_val": pickle.dumps(value, 2)[2:-1]}
    return made("nodes", "AnyNode", mapping(state))


def checkpoint(path: Path, nemo: Nemo, parameters: bytes | None = None) -> Path:
    """A `.ckpt` as training writes it, with states of a callback and an optimizer."""
    tensors = {}
    for index, (name, value) in enumerate(nemo.state.items()):
        source = storage(str(index), value.size, STORAGES[value.dtype.str])
        tensors[name] = tensor(source, value.shape, contiguous(value.shape))
    state = named("collections", "OrderedDict") + b")R" + mapping(tensors)[1:]
    callback = named("pathlib", "PosixPath") + text("/data/run") + b"\x85R"
    parts = {
        "epoch": number(3),
        "pytorch-lightning_version": text("2.4.0"),
        "state_dict": state,
        "callbacks": mapping({"ModelCheckpoint": mapping({"dirpath": callback})}),
        "optimizer_states": b"](" + mapping({"state": b"}"}) + b"e",
        "hparams_type": named("omegaconf.dictconfig", "DictConfig"),
        "hyper_parameters": omegaconf({"cfg": nemo.config}) if parameters is None else parameters,
    }
    values = enumerate(nemo.state.values())
    entries = {f"data/{i}": np.ascontiguousarray(value).tobytes() for i, value in values}
    path.write_bytes(zip_bytes({"data.pkl": b"\x80\x02" + mapping(parts) + b".", **entries}))
    return path


def read(name: str) -> Nemo:
    return Nemo.read(DATA / name / "model.nemo")


def file_ending(nemo: Nemo, end: str) -> bytes:
    return next(data for name, data in nemo.files.items() if name.endswith(end))


@pytest.mark.parametrize("name", ["conformer-ctc-char", "conformer-hat", WORDPIECE])
def test_the_same_file_as_of_the_archive(name, tmp_path):
    nemo = read(name)
    archive = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "a.gguf")
    for member, data in nemo.files.items():
        (tmp_path / member.partition("_")[2]).write_bytes(data)
    ours = convert(checkpoint(tmp_path / "m.ckpt", nemo), tmp_path / "b.gguf")
    assert ours.read_bytes() == archive.read_bytes()
    assert describe(tmp_path / "m.ckpt") == describe(tmp_path / "m.nemo")


def test_a_tokenizer_that_is_missing_is_asked_for(tmp_path):
    nemo = read(WORDPIECE)
    nemo.config["tokenizer"]["dir"] = "/data/tokenizers/wpe"
    path = checkpoint(tmp_path / "m.ckpt", nemo)
    with pytest.raises(
        CheckpointError, match=r"m\.ckpt: no vocab\.txt beside.*'/data/tokenizers/wpe'.*--tokenizer"
    ):
        convert(path, tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


@pytest.mark.parametrize("given", ["tokenizer", "tokenizer/vocab.txt", "tokenizer/words"])
def test_a_tokenizer_that_is_given(given, tmp_path):
    nemo = read(WORDPIECE)
    (tmp_path / "tokenizer").mkdir()
    for name in ("vocab.txt", "words"):
        (tmp_path / "tokenizer" / name).write_bytes(file_ending(nemo, "vocab.txt"))
    path = checkpoint(tmp_path / "m.ckpt", nemo)
    ours = convert(path, tmp_path / "b.gguf", tokenizer=tmp_path / given)
    assert (
        ours.read_bytes()
        == convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "a.gguf").read_bytes()
    )
    # So of an archive that lacks it.
    nemo.files.clear()
    bare = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "c.gguf", tokenizer=tmp_path / given)
    assert bare.read_bytes() == ours.read_bytes()


def test_each_language_has_a_directory(tmp_path):
    nemo = read(LANGUAGES)
    expected = convert(nemo.write(tmp_path / "m.nemo"), tmp_path / "a.gguf").read_bytes()
    for language, settings in nemo.config["tokenizer"]["langs"].items():
        folder = tmp_path / "tokenizers" / language
        folder.mkdir(parents=True)
        member = settings["model_path"].removeprefix("nemo:")
        (folder / "tokenizer.model").write_bytes(nemo.files[member])
    path = checkpoint(tmp_path / "m.ckpt", nemo)
    ours = convert(path, tmp_path / "b.gguf", tokenizer=tmp_path / "tokenizers")
    assert ours.read_bytes() == expected


def test_a_wrong_tokenizer_is_named(tmp_path):
    nemo = read(WORDPIECE)
    path, out = checkpoint(tmp_path / "m.ckpt", nemo), tmp_path / "m.gguf"
    with pytest.raises(CheckpointError, match=r"the tokenizer .*nowhere cannot be read"):
        convert(path, out, tokenizer=tmp_path / "nowhere")
    (tmp_path / "few").write_bytes(b"[UNK]\na\n")
    with pytest.raises(CheckpointError, match=r"decoder\.num_classes is 128.*2 tokens"):
        convert(path, out, tokenizer=tmp_path / "few")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match=r"no vocab\.txt in .*empty"):
        convert(path, out, tokenizer=empty)


@pytest.mark.parametrize("source", ["transformers/ParakeetForCTC", "lmu/fft/checkpoint.pt"])
def test_a_tokenizer_of_a_model_that_has_its_own(source, tmp_path):
    with pytest.raises(CheckpointError, match="leave out --tokenizer"):
        convert(DATA / source, tmp_path / "m.gguf", tokenizer=tmp_path)


@pytest.mark.parametrize(
    "parameters",
    [b"N", b"}", mapping({"cfg": b"N"}), omegaconf({"cfg": {"encoder": {}}}), omegaconf([1, 2])],
)
def test_without_a_configuration(parameters, tmp_path):
    path = checkpoint(tmp_path / "m.ckpt", read(WORDPIECE), parameters)
    with pytest.raises(UnsupportedModelError, match=r"m\.ckpt: .*hyper_parameters\.cfg.*save_to"):
        convert(path, tmp_path / "m.gguf")


def test_a_plain_dict_is_a_configuration_too(tmp_path):
    nemo = read("conformer-ctc-char")
    nemo.config["decoder"]["vocabulary"] = list(nemo.config["labels"])
    plain = omegaconf(nemo.config)
    path = checkpoint(tmp_path / "m.ckpt", nemo, plain)
    assert describe(path) == describe(nemo.write(tmp_path / "m.nemo"))


def test_settings_that_hold_themselves(tmp_path):
    node = named("omegaconf.nodes", "AnyNode") + b")\x81q\x00" + mapping({"_val": b"h\x00"}) + b"b"
    path = checkpoint(tmp_path / "m.ckpt", read(WORDPIECE), node)
    with pytest.raises(CheckpointError, match="nested too deeply"):
        convert(path, tmp_path / "m.gguf")


def test_settings_that_would_multiply(tmp_path):
    bomb: list[Any] = []
    for _ in range(90):
        bomb = [bomb, bomb]
    pickled = pickle.dumps({"cfg": {"encoder": bomb}}, 2)[2:-1]
    path = checkpoint(tmp_path / "m.ckpt", read(WORDPIECE), pickled)
    with pytest.raises(UnsupportedModelError, match=r"hyper_parameters\.cfg"):
        convert(path, tmp_path / "m.gguf")
