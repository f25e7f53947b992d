"""Models and clips that were pickled whole, read without running what else a pickle may hold."""

import importlib
import inspect
import io
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.storage import TypedStorage, UntypedStorage
from torch_geometric.data import Data
from torch_geometric.data.feature_store import TensorAttr
from torch_geometric.data.graph_store import EdgeAttr
from torch_geometric.data.storage import BaseStorage
from torch_geometric.nn import MessagePassing

from graphreel.core.restricted_pickle import (
    ArrayNames,
    Rebuild,
    Record,
    RefusedError,
    rebuilt,
    unpickler,
)

# where a name went that its room does not export
_MOVED = {
    "combined.over_time.Readout": "graphreel.combined.layers.readout.Readout",
    "combined.over_time.TimeConvolution": "graphreel.combined.layers.time_convolution.TimeConvolution",
    "data.clips.Clip": "graphreel.data.clips.clip.Clip",
    "rnn.char_lm._Skipping": "graphreel.rnn.models.char_lm._Skipping",
    "rnn.dropout.Dropout": "graphreel.core.dropout.Dropout",
    "rnn.workspace.Workspace": "graphreel.rnn.kernels.buffer_pool.BufferPool",
    # layers carried their functions, which they now find by their variant
    "rnn.fused_gru.fused_gru": "graphreel.rnn.cells.gru_torch_cell",
    "rnn.fused_gru_uva.fused_gru_uva": "graphreel.rnn.cells.gru_uva_cell",
    "rnn.fused_lstm.fused_lstm": "graphreel.rnn.cells.lstm_cell",
    "rnn.fused_rnn.fused_rnn_tanh": "graphreel.rnn.cells.rnn_tanh_cell",
    "rnn.fused_rnn.fused_rnn_relu": "graphreel.rnn.cells.rnn_relu_cell",
    "rnn.fused_uva.fused_uva": "graphreel.rnn.cells.peephole_uva_cell",
}
_RENAMED_ATTRIBUTES = {"_workspace": "_buffer_pool"}
_MADE_FROM_ARGUMENTS = ("rnn.workspace.Workspace", "graphreel.rnn.kernels.buffer_pool.BufferPool")
_CELLS = "graphreel.rnn.cells."  # whose functions old layers carry
_ROOMS = ("combined", "data", "gnn", "rnn")
_LIBRARIES = ("torch.nn.modules.", "torch_geometric.nn.", "torch_geometric.data.")
_ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "selu", "silu", "tanh", "sigmoid")
# PyG's layers carry a description of their own methods, which is made anew; its parts are noted down and left
_TYPES = ("NoneType", "bool", "dict", "float", "int", "list", "long", "object", "str", "tuple", "type", "unicode")
_DESCRIPTION = {
    *(f"torch_geometric.inspector.{name}" for name in ("Inspector", "Parameter", "Signature")),
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _TYPES),
    *(f"typing.{name}" for name in ("Any", "Callable", "Dict", "List", "Optional", "OrderedDict", "Tuple", "Union")),
    *("_operator.getitem", "_operator.or_", "functools.reduce", "inspect._empty", "torch.Tensor"),
}
_RECONSTRUCTORS = ("copyreg._reconstructor", "copy_reg._reconstructor")  # how protocols 0 and 1 make an object
_KINDS = (nn.Module, Data, BaseStorage, TensorAttr, EdgeAttr)


def load_pickle(file: str | Path) -> Any:
    """Read a layer, model or clip that was pickled whole, by this version or when the rooms were packages of their own.

    Both `pickle.dump(model, ...)` and `torch.save(model, ...)` are read, onto the CPU. A pickle is a program; this one
    is never run. What may be asked for is graphreel's own layers, models and clips, the layers of torch.nn and PyTorch
    Geometric, tensors and numpy arrays.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file asks for anything else, or is damaged.
    """
    path = Path(file)
    content = path.read_bytes()
    try:
        return rebuilt(_notes(content), _ModelNames(), (TypedStorage, UntypedStorage))
    except RefusedError as error:
        raise ValueError(
            f"{path} is refused: it asks for {error}, but only graphreel's, torch.nn's and PyG's layers are read"
        ) from None
    except Exception as error:  # a damaged pickle fails in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} is damaged, or no pickle of a model: {reason}") from error


def _notes(content: bytes) -> Any:
    """The notes of what pickle.dump or torch.save wrote, the tensors' memory in them."""
    reader = unpickler(_ModelNames())
    stream = io.BytesIO(content)
    if not zipfile.is_zipfile(stream):
        stream.seek(0)
        notes = reader(stream).load()
        if notes != torch.serialization.MAGIC_NUMBER:
            return notes
    elif any(name.endswith("/constants.pkl") for name in zipfile.ZipFile(stream).namelist()):
        raise RefusedError("TorchScript's code")
    stream.seek(0)
    module = SimpleNamespace(__name__="restricted_pickle", Unpickler=reader, load=lambda f, **_: reader(f).load())
    with warnings.catch_warnings():
        # of files older than 2020: torch looks for the source of what stands for a class
        warnings.filterwarnings("ignore", message="Couldn't retrieve source code")
        return torch.load(stream, map_location="cpu", pickle_module=module, weights_only=False)


def _place(name: str) -> Any:
    """The class or function that a name of graphreel's, old or present, stands for."""
    room, last = name.removeprefix("graphreel.").partition(".")[0], name.rpartition(".")[2]
    public = importlib.import_module(f"graphreel.{room}")
    if name not in _MOVED and last in getattr(public, "__all__", ()):
        return getattr(public, last)
    module, _, last = _MOVED.get(name, f"graphreel.{name.removeprefix('graphreel.')}").rpartition(".")
    return getattr(importlib.import_module(module), last)


def _is_graphreels(name: str) -> bool:
    room = name.removeprefix("graphreel.").partition(".")[0]
    return room in _ROOMS or (name.startswith("graphreel.core.") and room == "core")


def _tensor(record: Record, rebuild: Rebuild) -> Tensor:
    storage, offset, size, stride, requires_grad = map(rebuild, record.args[:5])
    values = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if min(offset, *size, *stride, 0) < 0 or (0 not in size and last >= values):
        raise ValueError(f"a tensor of size {tuple(size)} lies outside its memory of {values} values")
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, {})


def _storage(record: Record, rebuild: Rebuild) -> Any:
    return torch.load(io.BytesIO(rebuild(record.args[0])), map_location="cpu", weights_only=True)


class _ModelNames(ArrayNames):
    values: ClassVar = {
        **ArrayNames.values,
        **{f"torch.nn.functional.{name}": getattr(nn.functional, name) for name in _ACTIVATIONS},
        **{str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)},
    }
    builders: ClassVar = {
        **ArrayNames.builders,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": lambda r, rebuild: nn.Parameter(*map(rebuild, r.args[:2])),
        "torch.storage._load_from_bytes": _storage,
        "torch.Size": lambda r, rebuild: torch.Size(*map(rebuild, r.args)),
        "torch.device": lambda r, rebuild: torch.device("cpu"),
        "builtins.set": lambda r, rebuild: set(*map(rebuild, r.args)),
        "__builtin__.set": lambda r, rebuild: set(*map(rebuild, r.args)),
    }

    def knows(self, name: str) -> bool:
        return super().knows(name) or name in _DESCRIPTION or name in _RECONSTRUCTORS or self.value(name) is not None

    def value(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        found = self._found(name)
        if inspect.isfunction(found) and f"{found.__module__}.".startswith(_CELLS):
            return found
        if not (isinstance(found, type) and (issubclass(found, _KINDS) or name in _MADE_FROM_ARGUMENTS)):
            raise RefusedError(name)
        return found

    def build(self, record: Record, rebuild: Rebuild) -> Any:
        if record.name in self.builders:
            return self.builders[record.name](record, rebuild)
        if record.name in _RECONSTRUCTORS:
            kind = rebuild(record.args[0])
        elif isinstance(kind := self.value(record.name), type) and record.name in _MADE_FROM_ARGUMENTS:
            return kind(*map(rebuild, record.args))
        if not (isinstance(kind, type) and issubclass(kind, _KINDS)):
            raise RefusedError(record.name)
        return object.__new__(kind)

    def fill(self, made: Any, record: Record, rebuild: Rebuild) -> None:
        if record.state is None or not isinstance(made, _KINDS):
            return
        state = record.state
        if isinstance(made, MessagePassing):
            fresh: MessagePassing = object.__new__(type(made))
            MessagePassing.__init__(fresh)
            state = rebuild({key: value for key, value in state.items() if key != "inspector"})
            state["inspector"] = fresh.inspector
        else:
            state = rebuild(state)
        if type(made).__module__.startswith("graphreel."):
            state = {_RENAMED_ATTRIBUTES.get(key, key): value for key, value in state.items()}
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            vars(made).update(state)

    def _found(self, name: str) -> Any:
        if _is_graphreels(name):
            try:
                return _place(name)
            except (ImportError, AttributeError):
                raise ValueError(f"{ascii(name)[1:-1]} is not known to this version") from None
        if name.startswith(_LIBRARIES):
            module, _, last = name.rpartition(".")
            return getattr(sys.modules.get(module), last, None)
        raise RefusedError(name)
