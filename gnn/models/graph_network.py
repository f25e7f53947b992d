"""A stack of graph convolutions with dropout, normalisation, skip connections, and a head for nodes or graphs."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
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
from ..registry import graph_layer

_NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
_POOLS: dict[str, Callable[..., Tensor]] = {"mean": global_mean_pool, "sum": global_add_pool, "max": global_max_pool}


class GraphNetwork(nn.Module):
    r"""A network of graph convolutions.

    .. math::
        h_{l+1} = \sigma(\mathrm{norm}_l(\mathrm{conv}_l(\tilde h_l, G))) + \mathrm{skip}_l(\tilde h_l), \qquad
        \tilde h_l = \mathrm{dropout}(h_l)

    For nodes the last convolution yields the result, with neither activation nor skip. For graphs (``pool``) every
    convolution is a hidden one; their result is pooled per graph and goes through dropout and one linear layer.
    With ``jumping`` (`Xu et al., 2018 <https://arxiv.org/abs/1806.03536>`_) the input and what every convolution yields
    are pooled side by side, brought to one scale and narrowed by one more layer first. A ``virtual_node`` (`Gilmer et
    al., 2017 <https://arxiv.org/abs/1704.01212>`_) gives every node of a graph a map of their mean after each
    convolution but the last. With ``root_weight`` each convolution, the last one too, has :math:`W_l \tilde h_l` added
    to it. A ``stem`` stands before them all: the first convolution takes :math:`\sigma` of what it yields.

    Args:
        convs: The convolutions, each called as ``conv(h, edge_index)`` or, where the edges have weights or features,
            ``conv(h, edge_index, edges)``; a ``torch.nn.Linear`` is called as ``conv(h)``. A dict says by which names
            they stand in the state dict, in place of ``convs.0``, ``convs.1``, ...
        widths: Features that go into each convolution, and what the last one yields: ``len(convs) + 1`` numbers.
        out_channels: Numbers per node or graph.
        dropout: Probability of dropping a hidden feature.
        input_dropout: Probability of dropping an input feature.
        activation: A function, or the name of one in ``torch.nn.functional``.
        norm: ``"batch"``, ``"layer"`` or None, after each hidden convolution.
        residual: Add a skip connection around each hidden convolution (a linear map where the width changes).
        pool: ``"mean"``, ``"sum"`` or ``"max"`` over the nodes of each graph, or several joined by ``+``, side by side;
            None for one result per node.
        jumping: Pool the input and every convolution's result, not the last one alone.
        virtual_node: Join all nodes of a graph by one more.
        root_weight: Add a learned map of the node itself to each convolution.
        standardize: Bring the input to mean 0 and deviation 1 first, by batch normalisation.
        edges: What :meth:`forward` passes on to the convolutions: ``"edge_weight"``, ``"edge_attr"`` or None.
        stem: A convolution from the input to ``widths[0]``, such as :class:`MixedOrderConv`, which reads no features of
            edges. What it yields in a leading dimension, as several draws in training, is a leading dimension of the
            result.

    Raises:
        ValueError: If a name is unknown or a probability is not in [0, 1].
    """

    _names: tuple[str, ...] = ()

    def __init__(
        self,
        convs: Sequence[nn.Module] | Mapping[str, nn.Module],
        widths: Sequence[int],
        out_channels: int,
        *,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        norm: str | None = None,
        residual: bool = False,
        pool: str | None = None,
        root_weight: bool = False,
        standardize: bool = False,
        edges: str | None = None,
        jumping: bool = False,
        virtual_node: bool = False,
        stem: nn.Module | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("dropout", dropout), ("input_dropout", input_dropout)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be a probability in [0, 1], but is {value}")
        _check_name("norm", norm, _NORMS)
        for one in pool.split("+") if pool else ():
            _check_name("pool", one, _POOLS)
        if isinstance(activation, str):
            if not hasattr(F, activation):
                raise ValueError(f"activation must name a function of torch.nn.functional, but is {activation!r}")
            activation = getattr(F, activation)
        self.out_channels, self.dropout, self.input_dropout = out_channels, dropout, input_dropout
        self.activation: Any = activation
        self.pool, self.edges = pool, edges
        if isinstance(convs, Mapping):
            self._names = tuple(convs)
            for name, conv in convs.items():
                self.add_module(name, conv)
        else:
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
        self.own = nn.ModuleList(nn.Linear(i, o, bias=False) for i, o in pairwise(widths)) if root_weight else None
        self.norm = nn.BatchNorm1d(widths[0]) if standardize else None
        self.narrow, self.virtual = None, None
        pooled = widths[-1] * len(pool.split("+")) if pool else 0
        if jumping and pool:
            pooled = sum(widths) * len(pool.split("+"))
            self.narrow = nn.Sequential(nn.BatchNorm1d(pooled), nn.Linear(pooled, widths[-1]), nn.ReLU())
        if virtual_node and pool:
            self.virtual = nn.ModuleList(nn.Linear(width, width) for width in widths[1:-1])
        self.head = nn.Linear(widths[-1] if self.narrow else pooled, out_channels) if pool else None
        self.stem = stem

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in list(self.modules())[1:]:
            reset: Any = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()

    def forward(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Results for the nodes, or for the graphs if the network pools.

        Args:
            x: ``[N, F]``, ``[..., N, F]`` or sparse CSR ``[N, F]``.
            edge_index: ``[2, E]``, or a sparse adjacency ``[targets, sources]``.
            edge_weight: ``[E]``. Attention reads it as a feature of the edge where there is no ``edge_attr``.
            edge_attr: ``[E, edge_dim]``.
            batch: ``[N]``, the graph of each node, where the network pools; left out, all are one graph.
            batch_size: The number of graphs, read from ``batch`` if left out.

        Returns:
            ``[..., N, out_channels]``, or ``[..., graphs, out_channels]``.
        """
        return self.run(x, edge_index, self._edges_read(edge_weight, edge_attr), batch, batch_size)

    def hidden(
        self,
        x: Tensor,
        edge_index: Adj,
        edge_weight: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """What goes into the last layer of :meth:`forward`: ``[..., N, hidden]``, or a row for each graph."""
        levels = self._levels(x, edge_index, self._edges_read(edge_weight, edge_attr), batch, batch_size)
        return levels[-1] if self.pool is None else self._pooled(levels, batch, batch_size)

    def _edges_read(self, edge_weight: Tensor | None, edge_attr: Tensor | None) -> Tensor | None:
        if self.edges == "edge_weight":
            return edge_weight
        if self.edges == "edge_attr" and any(getattr(conv, "edge_dim", None) is not None for conv in self._layers()):
            return edge_weight if edge_attr is None else edge_attr
        return None

    def embed(self, x: Tensor, edge_index: Adj, edges: Tensor | None = None) -> Tensor:
        """The hidden features of the nodes after the last hidden convolution: ``[..., N, hidden]``."""
        return self._levels(x, edge_index, edges)[-1]

    def _levels(
        self,
        x: Tensor,
        edge_index: Adj,
        edges: Tensor | None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> list[Tensor]:
        """What the last hidden convolution yields; where the network jumps, the input and what every one yields."""
        _check_features(x)
        h = sparse_features.dropout(x, self.input_dropout, self.training)
        norm = getattr(self, "norm", None)  # which pickles of earlier versions lack, as they do `own` and `virtual`
        if norm is not None:
            h = norm(h.flatten(0, -2)).view(h.shape)
        stem = getattr(self, "stem", None)
        if stem is not None:
            h = self.activation(stem(h, edge_index, *([edges] if self.edges == "edge_weight" else [])))
        levels, virtual, jumping = [h], getattr(self, "virtual", None), getattr(self, "narrow", None) is not None
        for layer in range(self.depth if self.pool else self.depth - 1):
            h = self.layer(layer, h, edge_index, edges)
            if virtual is not None and layer < len(virtual):
                mean = virtual[layer](global_mean_pool(h, batch, batch_size)).relu()
                h = h + (mean if batch is None else mean.index_select(-2, batch))
            levels = [*levels, h] if jumping else [h]
        return levels

    @property
    def depth(self) -> int:
        """The number of convolutions."""
        return len(self._layers())

    def layer(self, number: int, h: Tensor, edge_index: Adj, edges: Tensor | None = None) -> Tensor:
        """What layer ``number``, from 0, makes of what the one before gave; of the last for nodes, the result."""
        if number > 0 or getattr(self, "stem", None) is not None:
            h = dropout(h, self.dropout, self.training)
        out = self._convolve(number, h, edge_index, edges)
        if not self.pool and number == self.depth - 1:
            return out
        if self.norms is not None:
            out = self.norms[number](out.flatten(0, -2)).view(out.shape)
        out = self.activation(out)
        return out if self.skips is None else out + _skip(self.skips[number], h)

    def _pooled(self, levels: list[Tensor], batch: Tensor | None, batch_size: int | None) -> Tensor:
        h = levels[-1]
        if batch is not None and batch.shape != h.shape[-2:-1]:
            raise ValueError(f"batch must hold a graph number for each of {h.size(-2)} nodes, but has {batch.numel()}")
        narrow = getattr(self, "narrow", None)
        if narrow is not None:
            h = torch.cat(levels, dim=-1)
        pooled = torch.cat([_POOLS[name](h, batch, batch_size) for name in str(self.pool).split("+")], dim=-1)
        return pooled if narrow is None else narrow(pooled.flatten(0, -2)).view(*pooled.shape[:-1], -1)

    def run(
        self,
        x: Tensor,
        edge_index: Adj,
        edges: Tensor | None = None,
        batch: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """All layers: ``[..., N, out_channels]`` for nodes, ``[..., graphs, out_channels]`` for graphs."""
        levels = self._levels(x, edge_index, edges, batch, batch_size)
        if self.pool is None or self.head is None:
            return self.layer(self.depth - 1, levels[-1], edge_index, edges)
        return self.head(dropout(self._pooled(levels, batch, batch_size), self.dropout, self.training))

    def _layers(self) -> Sequence[nn.Module]:
        return [getattr(self, name) for name in self._names] if self._names else list(self.convs)

    def _convolve(self, layer: int, h: Tensor, edge_index: Adj, edges: Tensor | None) -> Tensor:
        conv = self._layers()[layer]
        given = () if type(conv) is nn.Linear else (edge_index,) if edges is None else (edge_index, edges)
        out: Tensor = conv(h, *given)
        own = getattr(self, "own", None)
        return out if own is None else out + _skip(own[layer], h)


def layer_widths(
    in_channels: int, hidden_channels: int, num_layers: int, out_channels: int, pool: str | None
) -> list[int]:
    """What goes into each layer, and what comes out of the last one: that is hidden too where the network pools.

    Raises:
        ValueError: If there is no layer.
    """
    if num_layers < 1:
        raise ValueError(f"num_layers must be at least 1, but is {num_layers}")
    return [in_channels, *[hidden_channels] * (num_layers - 1), hidden_channels if pool else out_channels]


def make_layers(
    kind: str, widths: Sequence[int], heads: int = 1, output_heads: int | None = None, **kwargs: Any
) -> list[nn.Module]:
    """The layers of a network, each from one width to the next.

    Args:
        kind: A name in :data:`graphreel.gnn.registry.LAYERS`.
        widths: One more than there are layers.
        heads: Attention heads of a layer that attends, side by side in its width.
        output_heads: Heads of the last layer, averaged; as in the others if None.
        **kwargs: Arguments of the layer.

    Raises:
        ValueError: If there is no such layer, or the heads do not divide a width.
    """
    layer = graph_layer(kind)
    make = layer.load()
    if not layer.attends:
        return [make(*pair, **kwargs) for pair in pairwise(widths)]
    layers = []
    for number, (entering, width) in enumerate(pairwise(widths), start=2):
        if output_heads is not None and number == len(widths):
            layers.append(make(entering, width, output_heads, concat=False, **kwargs))
        elif width % heads:
            raise ValueError(f"hidden_channels must be a multiple of heads={heads}, but is {width}")
        else:
            layers.append(make(entering, width // heads, heads, **kwargs))
    return layers


def _check_features(x: Tensor) -> None:
    """Raise a ValueError if ``x`` holds NaN. Once looked at, an unchanged ``x`` is not looked at again.

    Activations (an ``x`` that requires a gradient) are left alone: there NaN is the business of whoever trains.
    """
    if not x.requires_grad and not is_transforming():
        remember(x, "free of NaN", lambda: _refuse_nan(x))


def _refuse_nan(x: Tensor) -> None:
    stored = x if x.layout == torch.strided else x.values()
    if stored.is_floating_point() and bool(stored.sum().isnan()) and bool(stored.isnan().any()):
        if x.layout != torch.strided:
            raise ValueError("x holds NaN among its stored values, expected numbers")
        row = int(x.isnan().any(dim=-1).nonzero()[0, -1])
        raise ValueError(f"x holds NaN at node {row}, expected numbers")


def _check_name(argument: str, name: str | None, known: dict[str, Any]) -> None:
    if name is not None and name not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)} or None, but is {name!r}")


def _skip(skip: nn.Module, h: Tensor) -> Tensor:
    if h.layout == torch.strided:
        return skip(h)
    if isinstance(skip, Linear) and not is_uninitialized_parameter(skip.weight):
        return sparse_features.linear(h, skip.weight)
    return skip(h.to_dense())
