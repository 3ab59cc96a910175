"""The pickle inside a PyTorch checkpoint, read by a machine that knows tensors only.

Python's own unpickler imports and calls whatever the file names. This one has no way to: an
opcode either builds a number, a string, a container or a description of a tensor, or it is an
error that names what was asked for. What training keeps beside the tensors may be objects of some
other classes: those become descriptions, too, of a name and what it was built with. Nothing is
imported and nothing called. It needs about thirty of the opcodes, those of protocols 2
to 4 that `torch.save` writes (documented in CPython's `pickletools`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import CheckpointError

MAX_PICKLE = 16 << 20  # bytes; a state dict of 1500 tensors takes 0.2 MB
# About 40 a tensor, and as many a setting; bounds the memory small opcodes can ask for.
MAX_OPERATIONS = 2_000_000

# torch storage class -> NumPy type of its bytes. bfloat16 has none and is widened by the reader.
STORAGE_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
    "ComplexFloatStorage": "<c8",
}


@dataclass(frozen=True)
class Storage:
    """`elements` values of `dtype` in the entry data/`key` of the checkpoint."""

    dtype: str
    key: str
    elements: int


@dataclass(frozen=True)
class TensorView:
    """A tensor as a strided view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """Storage elements from the first to the last that the view touches."""
        if not self.elements:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


@dataclass(eq=False)
class Foreign:
    """An object of the class `name`, which is not imported: the state that it was given."""

    name: str
    state: Any = None


@dataclass(frozen=True)
class _StorageType:
    dtype: str


@dataclass(frozen=True)
class _ForeignClass:
    name: str


# Classes of what PyTorch Lightning and NeMo save beside a state dict: settings in OmegaConf's
# containers, and states of callbacks, optimizers and schedulers. A package stands for all its own.
_FOREIGN_PACKAGES = (
    "omegaconf",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "nemo",
    "pathlib",
)
_FOREIGN = frozenset(
    {
        "typing.Any",
        "collections.defaultdict",
        "datetime.timedelta",
        "torch.Size",
        "torch.device",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        *(
            f"{builtins}.{name}"
            for builtins in ("builtins", "__builtin__")
            for name in ("dict", "list", "tuple", "set", "str", "int", "long", "float", "bool")
        ),
    }
)


def load(data: bytes) -> Any:
    """The value a pickle describes: dicts, lists, tuples, scalars, TensorView and Foreign.

    Raises CheckpointError, naming the global, if the pickle asks for anything else.
    """
    if len(data) > MAX_PICKLE:
        raise CheckpointError(f"a pickle of {len(data)} bytes is more than a state dict needs")
    return _Machine(data).run()


# What a pickle may call ---------------------------------------------------------------------


def _ordered_dict(*args: Any) -> dict[Any, Any]:
    if args:
        raise CheckpointError("the pickle builds an OrderedDict in a way torch.save does not")
    return {}


def _rebuild_tensor(*args: Any) -> TensorView:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)."""
    if len(args) < 4:
        raise CheckpointError("the pickle rebuilds a tensor from too few arguments")
    storage, offset, shape, strides = args[:4]
    if not isinstance(storage, Storage):
        raise CheckpointError("the pickle rebuilds a tensor from something not a storage")
    if not (_is_count(offset) and _are_counts(shape) and _are_counts(strides)):
        raise CheckpointError("the pickle gives a tensor sizes that are not whole numbers")
    if len(shape) != len(strides) or len(shape) > 8:
        raise CheckpointError("the pickle gives a tensor different numbers of sizes and strides")
    view = TensorView(storage, offset, shape, strides)
    # The second bound refuses views that repeat elements (stride 0): they could be of any size.
    if view.offset + view.span > storage.elements or view.elements > storage.elements:
        raise CheckpointError(
            f"a tensor of shape {list(shape)} does not fit its storage of {storage.elements} values"
        )
    return view


def _rebuild_parameter(*args: Any) -> TensorView:
    """torch._utils._rebuild_parameter(data, requires_grad, backward_hooks)."""
    if not args or not isinstance(args[0], TensorView):
        raise CheckpointError("the pickle rebuilds a parameter from something not a tensor")
    return args[0]


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(map(_is_count, values))


_CALLABLE: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
_GLOBALS: dict[tuple[str, str], Any] = _CALLABLE | {
    ("torch", name): _StorageType(dtype) for name, dtype in STORAGE_TYPES.items()
}


# The machine --------------------------------------------------------------------------------


class _Machine:
    """A stack machine: `stack` is above the last mark, `marked` holds what lies below each."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        try:
            for _ in range(MAX_OPERATIONS):
                opcode = self.take(1)
                if opcode == b".":
                    return self.stack.pop()
                operation = _OPERATIONS.get(opcode)
                if operation is None:
                    raise CheckpointError(
                        f"the pickle uses opcode {opcode!r}, which a state dict does not need"
                    )
                operation(self)
        except (IndexError, KeyError, UnicodeDecodeError) as error:
            raise CheckpointError(f"the pickle is damaged ({error!r})") from error
        raise CheckpointError("the pickle is longer than any state dict")

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise CheckpointError("the pickle is cut short")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self, layout: str) -> int:
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def line(self) -> str:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise CheckpointError("the pickle is cut short")
        text = self.data[self.position : end].decode("utf-8")
        self.position = end + 1
        return text

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marked.pop()
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def push_global(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise CheckpointError("the pickle asks for a global without a name")
        if (module, name) in _GLOBALS:
            self.stack.append(_GLOBALS[module, name])
        elif f"{module}.{name}" in _FOREIGN or module.split(".")[0] in _FOREIGN_PACKAGES:
            self.stack.append(_ForeignClass(f"{module}.{name}"))
        else:
            raise CheckpointError(
                f"the pickle asks for {module}.{name}; only tensors, numbers and texts are read "
                "from a checkpoint (save model.state_dict(), not the model)"
            )

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Foreign):
            return
        if type(target) is not dict or len(pairs) % 2:
            raise CheckpointError("the pickle sets items of something that is not a dict")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # Hashing a deeply nested tuple would overflow the C stack.
            if not isinstance(key, (str, int)):
                raise CheckpointError("the pickle has a dict key that is not a string")
            target[key] = value

    def append_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Foreign):
            return
        if type(target) is not list:
            raise CheckpointError("the pickle appends to something that is not a list")
        target.extend(items)

    def reduce(self) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if isinstance(function, _ForeignClass) and type(args) is tuple:
            self.stack.append(Foreign(function.name))
            return
        if type(args) is not tuple or not any(function is f for f in _CALLABLE.values()):
            raise CheckpointError("the pickle calls something that is not a function")
        self.stack.append(function(*args))

    def make(self) -> None:
        """An object of a class by way of `__new__`, which is for foreign ones alone."""
        args, kind = self.stack.pop(), self.stack.pop()
        if not isinstance(kind, _ForeignClass) or type(args) is not tuple:
            raise CheckpointError("the pickle uses opcode NEWOBJ for what a state dict has not")
        self.stack.append(Foreign(kind.name))

    def build(self) -> None:
        """Attributes of an OrderedDict (a state dict's `_metadata`): not needed, dropped."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Foreign):
            target.state = state
        elif type(target) is not dict:
            raise CheckpointError("the pickle sets attributes of something that is not a dict")

    def persistent_load(self) -> None:
        match self.stack.pop():
            case ("storage", _StorageType(dtype), str(key), str(), int(elements)):
                if elements < 0:
                    raise CheckpointError(f"storage {key!r} states a negative size")
                self.stack.append(Storage(dtype, key, elements))
            case _:
                raise CheckpointError("the pickle refers to something outside that is no storage")

    def push_tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise CheckpointError("the pickle is damaged (a tuple of missing values)")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def mark(self) -> None:
        self.marked.append(self.stack)
        self.stack = []


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    def operation(machine: _Machine) -> None:
        result = value(machine)  # first: it may replace machine.stack
        machine.stack.append(result)

    return operation


_OPERATIONS: dict[bytes, Callable[[_Machine], Any]] = {
    # framing and the memo
    b"\x80": lambda m: m.take(1),  # PROTO
    b"\x95": lambda m: m.take(8),  # FRAME
    b"(": _Machine.mark,
    b"0": lambda m: m.stack.pop(),  # POP
    b"q": lambda m: m.put(m.number("<B")),  # BINPUT
    b"r": lambda m: m.put(m.number("<I")),  # LONG_BINPUT
    b"\x94": lambda m: m.put(len(m.memo)),  # MEMOIZE
    b"h": _push(lambda m: m.memo[m.number("<B")]),  # BINGET
    b"j": _push(lambda m: m.memo[m.number("<I")]),  # LONG_BINGET
    # scalars
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"K": _push(lambda m: m.number("<B")),  # BININT1
    b"M": _push(lambda m: m.number("<H")),  # BININT2
    b"J": _push(lambda m: m.number("<i")),  # BININT
    b"\x8a": _push(lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
    b"G": _push(lambda m: m.number(">d")),  # BINFLOAT
    b"\x8c": _push(lambda m: m.take(m.number("<B")).decode("utf-8")),  # SHORT_BINUNICODE
    b"X": _push(lambda m: m.take(m.number("<I")).decode("utf-8")),  # BINUNICODE
    # containers
    b")": _push(lambda m: ()),
    b"]": _push(lambda m: []),
    b"}": _push(lambda m: {}),
    b"\x8f": _push(lambda m: Foreign("builtins.set")),  # EMPTY_SET
    b"\x85": lambda m: m.push_tuple(1),
    b"\x86": lambda m: m.push_tuple(2),
    b"\x87": lambda m: m.push_tuple(3),
    b"t": _push(lambda m: tuple(m.pop_mark())),  # TUPLE
    b"a": lambda m: m.append_items([m.stack.pop()]),  # APPEND
    b"e": lambda m: m.append_items(m.pop_mark()),  # APPENDS
    b"s": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),  # SETITEM
    b"u": lambda m: m.set_items(m.pop_mark()),  # SETITEMS
    # objects
    b"c": lambda m: m.push_global(m.line(), m.line()),  # GLOBAL
    b"\x93": lambda m: m.push_global(*[m.stack.pop(), m.stack.pop()][::-1]),  # STACK_GLOBAL
    b"Q": _Machine.persistent_load,  # BINPERSID
    b"R": _Machine.reduce,
    b"\x81": _Machine.make,
    b"\x90": lambda m: m.append_items(m.pop_mark()),  # ADDITEMS
    b"b": _Machine.build,
}
