"""A stack of graph convolutions with dropout, normalisation, skip connections, and a head for nodes or graphs."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool, global_max_pool, global_mean_pool
from torch_geometric.nn.dense.linear import Linear, is_uninitialized_parameter
from torch_geometric.typing import Adj

from graphreel.core.dropout import dropout
from graphreel.core.transforms import is_transforming

from ..kernels import sparse_features
from ..kernels.tensor_cache import remember

__all__ = ["GraphNetwork", "check_features"]

_NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
_POOLS: dict[str, Callable[..., Tensor]] = {"mean": global_mean_pool, "sum": global_add_pool, "max": global_max_pool}


class GraphNetwork(nn.Module):
    r"""A network of graph convolutions.

    .. math::
        h_{l+1} = \sigma(\mathrm{norm}_l(\mathrm{conv}_l(\tilde h_l, G))) + \mathrm{skip}_l(\tilde h_l), \qquad
        \tilde h_l = \mathrm{dropout}(h_l)

    For nodes the last convolution yields the result, with neither activation nor skip. For graphs (``pool``) every
    convolution is a hidden one; their result is pooled per graph and goes through dropout and one linear layer.

    Args:
        convs: The convolutions, each called as ``conv(h, edge_index, edges)`` with edge weights or features, or None.
        widths: Features that go into each convolution, and what the last one yields: ``len(convs) + 1`` numbers.
        out_channels: Numbers per node or graph.
        dropout: Probability of dropping a hidden feature.
        input_dropout: Probability of dropping an input feature.
        activation: A function, or the name of one in ``torch.nn.functional``.
        norm: ``"batch"``, ``"layer"`` or None, after each hidden convolution.
        residual: Add a skip connection around each hidden convolution (a linear map where the width changes).
        pool: ``"mean"``, ``"sum"`` or ``"max"`` over the nodes of each graph; None for one result per node.

    Raises:
        ValueError: If a name is unknown or a probability is not in [0, 1].
    """

    def __init__(
        self,
        convs: Sequence[nn.Module],
        widths: Sequence[int],
        out_channels: int,
        *,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        norm: str | None = None,
        residual: bool = False,
        pool: str | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("dropout", dropout), ("input_dropout", input_dropout)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be a probability in [0, 1], but is {value}")
        _check_name("norm", norm, _NORMS)
        _check_name("pool", pool, _POOLS)
        if isinstance(activation, str):
            if not hasattr(F, activation):
                raise ValueError(f"activation must name a function of torch.nn.functional, but is {activation!r}")
            activation = getattr(F, activation)
        self.out_channels = out_channels
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.activation: Any = activation
        self.pool = pool
        self.convs = nn.ModuleList(convs)
        hidden = len(convs) if pool else len(convs) - 1
        self.norms = nn.ModuleList(_NORMS[norm](widths[layer + 1]) for layer in range(hidden)) if norm else None
        self.skips = (
            nn.ModuleList(
                nn.Identity() if widths[layer] == widths[layer + 1] else Linear(widths[layer], widths[layer + 1], False)
                for layer in range(hidden)
            )
            if residual
            else None
        )
        self.head = nn.Linear(widths[-1], out_channels) if pool else None

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (*self.convs, *(self.norms or ()), *(self.skips or ()), self.head):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def embed(self, x: Tensor, edge_index: Adj, edges: Tensor | None = None) -> Tensor:
        """The hidden features that go into the last layer: ``[..., N, hidden]``."""
        check_features(x)
        h = sparse_features.dropout(x, self.input_dropout, self.training)
        for layer in range(len(self.convs) if self.pool else len(self.convs) - 1):
            if layer > 0:
                h = dropout(h, self.dropout, self.training)
            out = self.convs[layer](h, edge_index, edges)
            if self.norms is not None:
                out = self.norms[layer](out.flatten(0, -2)).view(out.shape)
            out = self.activation(out)
            h = out if self.skips is None else out + _skip(self.skips[layer], h)
        return h

    def run(
        self,
        x: Tensor,
        edge_index: Adj,
        edges: Tensor | None,
        batch: Tensor | None,
        batch_size: int | None,
    ) -> Tensor:
        """All layers: ``[..., N, out_channels]`` for nodes, ``[..., graphs, out_channels]`` for graphs."""
        h = self.embed(x, edge_index, edges)
        if self.pool is None or self.head is None:
            if len(self.convs) > 1:
                h = dropout(h, self.dropout, self.training)
            result: Tensor = self.convs[-1](h, edge_index, edges)
            return result
        if batch is not None and batch.shape != h.shape[-2:-1]:
            raise ValueError(f"batch must hold a graph number for each of {h.size(-2)} nodes, but has {batch.numel()}")
        pooled = _POOLS[self.pool](h, batch, batch_size)
        logits: Tensor = self.head(dropout(pooled, self.dropout, self.training))
        return logits


def check_features(x: Tensor) -> None:
    """Raise a ValueError if ``x`` holds NaN. Once looked at, an unchanged ``x`` is not looked at again.

    Activations (an ``x`` that requires a gradient) are left alone: there NaN is the business of whoever trains.
    """
    if not x.requires_grad and not is_transforming():
        remember(x, "free of NaN", lambda: _check_features(x))


def _check_features(x: Tensor) -> None:
    stored = x if x.layout == torch.strided else x.values()
    if stored.is_floating_point() and bool(stored.sum().isnan()) and bool(stored.isnan().any()):
        if x.layout != torch.strided:
            raise ValueError("x holds NaN among its stored values, expected numbers")
        row = int(x.isnan().any(dim=-1).nonzero()[0, -1])
        raise ValueError(f"x holds NaN at node {row}, expected numbers")


def check_depth(num_layers: int) -> None:
    """Raise a ValueError unless there is a layer."""
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, but is {num_layers}")


def _check_name(argument: str, name: str | None, known: dict[str, Any]) -> None:
    if name is not None and name not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)} or None, but is {name!r}")


def _skip(skip: nn.Module, h: Tensor) -> Tensor:
    if h.layout == torch.strided:
        return skip(h)
    if isinstance(skip, Linear) and not is_uninitialized_parameter(skip.weight):
        return sparse_features.linear(h, skip.weight)
    return skip(h.to_dense())
