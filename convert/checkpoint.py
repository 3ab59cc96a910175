"""The tensors of a PyTorch checkpoint by name, each read from the file when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from .archive import Window
from .named_tensors import NamedTensors
from .torch_zip import TorchZip
from .unpickler import MAX_PICKLE, TensorView, load

# Where training loops put the state dict when they save more than that.
STATE_KEYS = ("model_state_dict", "state_dict")

# What torch.compile, DistributedDataParallel and FSDP put into names, before those of the module
# that they wrap: all of the model, or a part such as the encoder.
_WRAPPER = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)

# Under what Lightning modules of one's own have the model: of several these come first. What is
# called encoder, and has one, is the whole model.
_OWNERS = ("encoder.", "", "model.", "asr_model.", "net.")

# What comes before the name of the encoder, whose owner may be called encoder, too.
_OWNER = re.compile(r"((?:.+?\.)??)encoder\.(?!encoder\.).*")


class TorchCheckpoint(NamedTensors[TensorView]):
    """The state dict in a `torch.save` file: name -> TensorView. `read` gives the values.

    The file may hold the state dict alone, or a dict that has it as one of STATE_KEYS; `config` and
    `hyper_parameters` are then what that dict has under these names, else None.
    """

    def __init__(self, window: Window) -> None:
        """Read the zip directory and the pickle, no values.

        Raises CheckpointError for a damaged file, one of another byte order, and a pickle that
        asks for anything but tensors.
        """
        self._zip = TorchZip(window)
        self._check_byte_order()
        pickle = self._zip.open("data.pkl")
        state = load(pickle.read(0, min(pickle.size, MAX_PICKLE + 1)))
        self.config: Any = None
        self.hyper_parameters: Any = None
        key = next((key for key in STATE_KEYS if isinstance(state, dict) and key in state), None)
        if key is not None:
            self.config = state.get("config")
            self.hyper_parameters = state.get("hyper_parameters")
            state = state[key]
        if not isinstance(state, dict):
            raise CheckpointError(f"{window.name} does not hold a state dict")
        views = {str(name): view for name, view in state.items() if isinstance(view, TensorView)}
        self._entries = {new: views[name] for name, new in unwrapped(views).items()}
        if len(self._entries) != len(views):
            raise CheckpointError(
                f"{window.name} holds tensors twice, wrapped and plain; save the model's own "
                "state_dict"
            )

    def read(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor as a new float32 array of its shape."""
        view = self._entries[name]
        storage = self._zip.open(f"data/{view.storage.key}")
        dtype = view.storage.dtype
        if storage.size < view.storage.elements * item_size(dtype):
            raise CheckpointError(
                f"tensor {name!r}: its storage states {view.storage.elements} values of "
                f"{item_size(dtype)} bytes but holds {storage.size} bytes"
            )
        values = read_values(storage, view.offset * item_size(dtype), view.span, dtype)
        return _strided(values, view).astype(np.float32, copy=False)

    def _check_byte_order(self) -> None:
        if "byteorder" not in self._zip:  # files older than PyTorch 2.1, always little-endian
            return
        order = self._zip.open("byteorder")
        if order.read(0, min(order.size, 16)).strip() != b"little":
            raise CheckpointError(
                "the weights were saved on a big-endian machine; load and save them on a "
                "little-endian one"
            )


def unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Return the names in the model itself by `names`, which may be those of what wraps it.

    A prefix of the whole model goes where there is an encoder under it and none without it.
    """
    found = {name: _WRAPPER.sub("", name) for name in names}
    owners = dict.fromkeys(match[1] for n in found.values() if (match := _OWNER.fullmatch(n)))
    candidates = [owner for owner in _OWNERS if owner in owners] or list(owners)
    if not candidates or (len(candidates) > 1 and candidates[0] not in _OWNERS):
        return found  # which of them is the model cannot be told
    owner = candidates[0]
    return {name: plain.removeprefix(owner) for name, plain in found.items()}


def item_size(dtype: str) -> int:
    """Bytes of a value; `dtype` is NumPy's name, or "bfloat16"."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def read_values(window: Window, offset: int, count: int, dtype: str) -> NDArray[Any]:
    """`count` values from byte `offset` on. NumPy has no bfloat16: those come as float32."""
    values = np.empty(count, "<u2" if dtype == "bfloat16" else dtype)
    window.read_into(offset, values.view(np.uint8).data)
    if dtype == "bfloat16":
        # bfloat16 is the upper half of a float32
        return (values.astype("<u4") << 16).view("<f4")
    return values


def _strided(values: NDArray[np.generic], view: TensorView) -> NDArray[np.generic]:
    """`values` (the span of the view) in the view's shape. The span bounds every index."""
    if not view.elements:
        return np.empty(view.shape, values.dtype)
    strides = tuple(s * values.itemsize for s in view.strides)
    strided = np.lib.stride_tricks.as_strided(values, view.shape, strides, writeable=False)
    return np.ascontiguousarray(strided).reshape(view.shape)
