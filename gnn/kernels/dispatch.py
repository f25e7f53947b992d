"""When a layer may take one sparse product in place of PyG's message passing."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Module, Parameter
from torch_geometric import EdgeIndex
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.typing import Adj

from graphreel.core.guard import is_capturing
from graphreel.core.transforms import is_compiled, is_exported, is_transforming

from .tensor_cache import is_remembered

PATHS = ("csr", "edge_list", "messages", "triton")
PREPARED = "prepared"  # remembered with an edge_index that a loader has sorted
_path: ContextVar[str | None] = ContextVar("path", default=None)

_HALF = (torch.bfloat16, torch.float16)

_HOOKED = ("propagate", "message", "aggregate", "message_and_aggregate", "edge_update")
_HOOKS = tuple(f"_{step}_forward{pre}_hooks" for step in _HOOKED for pre in ("_pre", ""))
_STEPS = ("propagate", "message", "aggregate", "message_and_aggregate", "update", "edge_update", "explain_message")


@contextmanager
def use_path(path: str | None) -> Iterator[None]:
    """Within it graph layers take one way through the graph, whatever its size; None lets its size decide.

    Args:
        path: ``"csr"`` (sparse products over the CSR graph), ``"edge_list"`` (gather and add over the edge list),
            ``"messages"`` (PyG's message passing) or ``"triton"`` (attention's kernels for a GPU, on a CPU by Triton's
            interpreter). A layer that cannot take one of them passes messages.

    Raises:
        ValueError: If there is no such path.
    """
    if path is not None and path not in PATHS:
        raise ValueError(f"path must be one of {', '.join(PATHS)} or None, but is {path!r}")
    token = _path.set(path)
    try:
        yield
    finally:
        _path.reset(token)


def fast_path_serves(
    layer: MessagePassing,
    defined_in: type,
    x: Tensor,
    edge_index: object,
    *weights: Tensor | None,
    node_dim: int = -2,
    layouts: tuple[torch.layout, ...] = (torch.strided,),
) -> bool:
    """Whether nothing looks at, or changes, the single messages of ``layer``, and the tensors are of plain kinds.

    Args:
        layer: The layer about to run.
        defined_in: The class whose definition the fast path computes: a subclass that overrides a step of message
            passing is left to :meth:`propagate`.
        weights: Other tensors that take part, or None.
        node_dim: The dimension of the nodes in that definition.
        layouts: Those that it may have.
    """
    if is_transforming() and not is_compiled():
        return False
    if not is_compiled() and _path.get() == "messages":  # which dynamo cannot read
        return False
    if not isinstance(edge_index, Tensor) or edge_index.layout not in layouts:
        return False
    device = x.device
    if device.type != "cpu" and (edge_index.layout != torch.strided or not _gpu_serves(x)):
        return False
    if any(part is not None and part.device != device for part in (edge_index, *weights)):
        return False
    if type(x) not in (Tensor, Parameter) or type(edge_index) not in (Tensor, EdgeIndex):
        return False  # a subclass has its own ways
    if torch.is_autocast_enabled(device.type) or forward_ad._current_level >= 0:
        return False
    if x.dtype not in (torch.float32, torch.float64, *_HALF) or x.dim() < 2:
        return False
    if any(w is not None and (w.dtype != x.dtype or w.dim() != 1) for w in weights):
        return False
    return layer.node_dim == node_dim and _is_plain(layer, defined_in)


def _gpu_serves(x: Tensor) -> bool:
    """Whether a device other than the CPU is CUDA's, and nothing compiles or captures what is called on it.

    A compiled layer passes messages, which inductor fuses. Sorting waits for the device, as a captured call must not.
    """
    return x.device.type == "cuda" and not is_compiled() and not is_capturing(x.device)


def upcast(x: Tensor) -> Tensor:
    """``x`` in float32 where it is in half precision: a sum over many edges keeps more digits, and costs less."""
    return x.float() if x.dtype in _HALF else x


def wide_index(edge_index: Adj) -> Adj:
    """``edge_index`` in int64 for message passing: PyTorch's gradient of ``scatter_add`` is wrong for int32."""
    return edge_index.long() if isinstance(edge_index, Tensor) and edge_index.dtype == torch.int32 else edge_index


def is_plain_linear(linear: Module | None) -> bool:
    """Whether ``linear`` is nothing but a product with its weight, or None."""
    if linear is None:
        return True
    if not isinstance(linear, Linear) or type(linear) is not Linear:
        return False
    hooks = (linear._forward_hooks, linear._forward_pre_hooks, linear._backward_hooks, linear._backward_pre_hooks)
    return sum(map(len, hooks)) == int(is_uninitialized_parameter(linear.weight))  # which has one, to take its size


def fastest_way(edge_index: Tensor, num_edges: int, width: int, least: int = 1 << 16, few: int = 1 << 13) -> str:
    """Over a CSR graph ("csr") or, where sorting a new one would cost more than it saves, over its "edge_list".

    By size alone (or by :func:`use_path`), so that neither the result nor its last digit depends on what was called
    before; a batch of GraphLoader comes sorted, so that few edges are no reason there. Measured beside PyG: below 8192
    edges the calls that sort cost more than they save up to a width of about 128; from there on up to one of 4 to 8.
    GATv2Conv, which gathers features either way, gains by sorting from 8 times as many numbers on. Under
    ``torch.compile`` few edges pass "messages", which become one loop; else, and wherever sizes are not known because
    the layer is exported, the CSR graph is hidden in an "operator", see :mod:`graphreel.core.opaque`.

    Args:
        edge_index: The graph. On a GPU few edges pass "messages": what costs is the number of calls.
        num_edges: Edges, loops to be added included.
        width: Numbers per node that the edges carry: all heads, and all leading dimensions.
        least: Numbers that sorting is worth from ``few`` edges on.
        few: Edges below which it takes more numbers.
    """
    if is_exported():
        return "operator"
    compiled = is_compiled()
    path = None if compiled else _path.get()
    if path is not None:
        return path
    few_new = num_edges < few and (compiled or not is_remembered(edge_index, PREPARED))
    little = num_edges * width < (max(2 * least, 1 << 20) if few_new else least)
    if compiled:
        return "messages" if little else "operator"
    if little:
        return "edge_list" if edge_index.device.type == "cpu" else "messages"
    return "csr"


def _is_plain(layer: MessagePassing, defined_in: type) -> bool:
    if layer.aggr not in ("add", "sum") or layer.explain:
        return False
    own = layer.__dict__
    kind = type(layer)
    if any(own[hooks] for hooks in _HOOKS) or any(step in own and not _is_pygs(own[step], kind) for step in _STEPS):
        return False
    return kind is defined_in or all(getattr(kind, step, None) is getattr(defined_in, step, None) for step in _STEPS)


def _is_pygs(step: object, kind: type) -> bool:
    """Whether PyG itself has put a step on the layer, as it does when ``explain`` is set and when it is taken back."""
    names = ("_orig_propagate", "_jinja_propagate")
    return any(getattr(step, "__func__", None) is getattr(kind, name, step) for name in names)
