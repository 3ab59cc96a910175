"""The restricted unpickler: what it admits, and what it refuses by name."""

from __future__ import annotations

import os
import pickle
import shutil
import struct
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest
from nemo_files import named, number, numbers, parameter, state_pickle, storage, tensor, text

from parrotlet._convert.unpickler import MAX_PICKLE, Foreign, Storage, TensorView, load
from parrotlet.errors import CheckpointError

PLAIN = tensor(storage("7", 6), (2, 3), (3, 1))


def test_a_state_dict_is_read_as_views_of_storages():
    state = load(state_pickle({"a": PLAIN, "b": parameter(PLAIN)}))
    view = TensorView(Storage("<f4", "7", 6), 0, (2, 3), (3, 1))
    assert state == {"a": view, "b": view}


def test_protocol_4_is_read_too():
    value = {"a": [1, -2, 300, 2**40, 1.5, None, True, False, "é"], "b": ((), (1,), (1, 2, 3, 4))}
    for protocol in (2, 3, 4):
        assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (os.system, "posix.system" if os.name == "posix" else "nt.system"),
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (shutil.rmtree, "shutil.rmtree"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_refused_by_name(payload, name, protocol):
    class Attack:
        def __reduce__(self):
            return payload, ("1",)

    name = name.replace("builtins", "__builtin__") if protocol == 2 else name
    with pytest.raises(CheckpointError, match=rf"asks for {name};"):
        load(pickle.dumps({"weight": Attack()}, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00ls tR.",
        b"\x80\x02" + named("torch", "load") + b".",
        b"\x80\x02" + named("torch.storage", "_load_from_bytes") + b".",
        b"\x80\x02" + named("collections", "namedtuple") + b".",
        b"\x80\x04" + text("os") + text("system") + b"\x93.",
    ],
)
def test_other_globals_are_refused(data):
    with pytest.raises(CheckpointError, match=r"asks for [\w.]+; only tensors"):
        load(data)


@pytest.mark.parametrize(
    "data",
    [
        b"(S'ls'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'ls'\no.",  # OBJ
        b"\x80\x02" + named("collections", "OrderedDict") + b")\x81.",  # NEWOBJ
        b"\x82\x01.",  # EXT1
        b"\x96" + struct.pack("<Q", 2**60),  # BYTEARRAY8
        b"\x8e" + struct.pack("<Q", 2**60),  # BINBYTES8
        b"\x8b" + struct.pack("<I", 2**31 - 1),  # LONG4
    ],
)
def test_other_opcodes_are_refused(data):
    with pytest.raises(CheckpointError, match=r"opcode|asks for"):
        load(data)


@pytest.mark.parametrize(
    "data",
    [
        named("torch", "FloatStorage") + b")R.",  # calling a storage type
        named("collections", "OrderedDict") + b"]R.",  # arguments that are not a tuple
        named("collections", "OrderedDict") + b"(]tR.",
        text("os") + b")R.",
        b"]K\x01b.",  # attributes of a list
        b"]K\x01K\x01s.",
        b"}K\x01a.",
        b"}" + b"(" * 3 + b"u.",
        b"})K\x01s.",  # a tuple as a key
        b"K\x01Q.",
        b"(" + text("module") + text("x") + b"tQ.",
        storage("0", -4) + b".",
        named("torch._utils", "_rebuild_tensor_v2") + b")R.",
        named("torch._utils", "_rebuild_parameter") + b"(K\x01tR.",
        tensor(text("storage"), (1,), (1,)) + b".",
        tensor(storage("0", 4), (2, 2), (2,)) + b".",
        tensor(storage("0", 4), (2, -2), (2, 1)) + b".",
        tensor(storage("0", 4), (2, 2), (-2, 1)) + b".",
        tensor(storage("0", 4), (1,) * 9, (1,) * 9) + b".",
        b"\x85.",
        b"h\x05.",
        b"X\xff\xff\xff\xffab",
        b"X\x02\x00\x00\x00\xff\xff.",  # not UTF-8
        b"",
        b".",
        b"cos",
    ],
)
def test_damaged_pickles_are_errors(data):
    with pytest.raises(CheckpointError):
        load(data)


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "elements"),
    [
        ((2, 3), (3, 1), 0, 5),  # larger than the storage
        ((2, 3), (3, 1), 1, 6),  # pushed out by the offset
        ((2, 3), (4, 1), 0, 6),  # pushed out by a stride
        ((2**40,), (0,), 0, 1),  # one value repeated without end
        ((2**62, 2**62), (1, 1), 0, 2**62),
        ((1,), (1,), 2**62, 6),
    ],
)
def test_views_beyond_their_storage_are_refused(shape, strides, offset, elements):
    with pytest.raises(CheckpointError, match="does not fit its storage"):
        load(tensor(storage("0", elements), shape, strides, offset) + b".")


def test_every_truncation_is_an_error():
    data = state_pickle({"a": PLAIN})
    for size in range(len(data)):
        with pytest.raises(CheckpointError):
            load(data[:size])


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_of_training_are_described_and_not_made(protocol):
    cache = defaultdict(dict, {"a": {1: 2}})
    value = {"path": Path("/a/b"), "cache": cache, "set": {1, 2}, "time": timedelta(1)}
    found = load(pickle.dumps(value, protocol))
    names = [each.name.rpartition(".")[2] for each in found.values()]
    assert names == [type(Path()).__name__, "defaultdict", "set", "timedelta"]
    assert all(isinstance(each, Foreign) and each.state is None for each in found.values())


def test_objects_keep_their_state():
    node = named("omegaconf.nodes", "AnyNode") + b")\x81}" + text("_val") + b"K\x07sb."
    found = load(b"\x80\x02" + node)
    assert (found.name, found.state) == ("omegaconf.nodes.AnyNode", {"_val": 7})


def test_deep_nesting_neither_overflows_nor_grows():
    deep = b"]" + b"\x85" * 100_000  # a tuple in a tuple in a ...
    assert isinstance(load(deep + b"."), tuple)
    with pytest.raises(CheckpointError, match="dict key"):
        load(b"}" + deep + b"K\x01s.")


def test_size_and_length_are_limited():
    with pytest.raises(CheckpointError, match="longer than any state dict"):
        load(b"]" * 3_000_000)
    with pytest.raises(CheckpointError, match="more than a state dict needs"):
        load(bytes(MAX_PICKLE + 1))


def test_short_and_long_numbers():
    assert load(numbers((0, 255, 256, 2**33)) + b".") == (0, 255, 256, 2**33)
    assert load(number(-5) + b".") == -5
