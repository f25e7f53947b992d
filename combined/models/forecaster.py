"""Node-level forecasting over several steps: a graph network over all steps at once, a recurrent network per node."""

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphreel.core.checks import invalid_index

from ..layers.recurrence import ends_in_state, last_state
from ..layers.tgcn import TGCN
from .clip_classifier import width_of


class Forecaster(nn.Module):
    r"""Forecasts every node of a graph from the past of all: a graph network in space, then a recurrent one in time.

    .. math::
        Z_t = \sigma(\mathrm{GNN}(X_t, E_t)), \quad h_{t,i} = \mathrm{RNN}([x_{t,i}, z_{t,i}], h_{t-1,i}), \quad
        \hat y_{i} = W h_{T,i} + b + V\, (x_{T-p+1,i} \dots x_{T,i})

    The graph network runs once over all steps of all windows, the recurrent network once over all nodes. The last term
    is the linear path of LSTNet (Lai et al., "Modeling Long- and Short-Term Temporal Patterns", 2018), which keeps the
    scale of the input; it is there with `autoregressive=p`.

    Shapes: x [B, T, N, F] (its first feature is what is forecast), edge_index [2, E] -> [B, horizon, N].

    Args:
        spatial: any graph layer or model called as (x, edge_index), with edge_weight where it takes one; None leaves
            the edges out. On one graph for all steps it gets x [T, B, N, F], as `gnn`'s layers take it (of PyG's, those
            that support static graphs); on a graph per step, one graph of all nodes.
        temporal: any recurrent layer of `rnn` or torch.nn. Where its input_size is the width of `spatial` it reads Z
            alone; where it is larger by F it also reads the node's own x. A `TGCN` reads the same through the graph.
        horizon: how many steps are forecast.
        autoregressive: over how many last steps the linear path goes, the same for all nodes; 0 leaves it out.
        residual: forecast the change from the last value.
        dropout: on what the recurrent network gets and on what the head gets.

    Raises:
        ValueError: widths that do not fit; in forward: shapes, nodes or graphs that do not fit.
    """

    def __init__(
        self,
        spatial: nn.Module | None,
        temporal: nn.Module,
        horizon: int,
        autoregressive: int = 0,
        residual: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        if autoregressive < 0:
            raise ValueError(f"autoregressive must be at least 0, got {autoregressive}")
        self.spatial, self.temporal = spatial, temporal
        self.horizon, self.residual = horizon, residual
        self.head = nn.Linear(width_of(temporal), horizon)
        self.linear = nn.Linear(autoregressive, horizon, bias=False) if autoregressive else None
        self.dropout = nn.Dropout(dropout)
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor | Sequence[Tensor],
        edge_weight: Tensor | Sequence[Tensor] | None = None,
        frame: Tensor | None = None,
        every_step: bool = False,
    ) -> Tensor:
        """Forecast.

        Args:
            x: [B, T, N, F].
            edge_index: [2, E], nodes 0 .. N - 1, for all steps; or one such per step (T of them); or, with `frame`, the
                edges of all steps of all windows.
            edge_weight: [E], or one per step.
            frame: [E], the step that each edge belongs to: window * T + step.
            every_step: forecast after every step of the past, with the state carried through it.

        Returns:
            [B, horizon, N]; with every_step [B, T, horizon, N].
        """
        return self.of_states(self.states(x, edge_index, edge_weight, frame, every_step), x, every_step)

    def states(
        self,
        x: Tensor,
        edge_index: Tensor | Sequence[Tensor],
        edge_weight: Tensor | Sequence[Tensor] | None = None,
        frame: Tensor | None = None,
        every_step: bool = False,
    ) -> Tensor:
        """The states [1, B, N, hidden] that are forecast from, after the last step; with every_step those of all."""
        if x.dim() != 4:
            raise ValueError(f"x must be [windows, steps, nodes, features], got {list(x.shape)}")
        if 0 in x.shape:
            raise ValueError(f"x must hold windows, steps, nodes and features, got {list(x.shape)}")
        windows, steps, nodes, _ = x.shape
        if not isinstance(edge_index, Tensor):
            edge_index, edge_weight, frame = stacked_steps(edge_index, edge_weight, windows, steps)
        elif edge_weight is not None and not isinstance(edge_weight, Tensor):
            raise ValueError(f"edge_weight has {len(edge_weight)} parts, but edge_index is one list for all steps")
        on_graph = self.spatial is not None or isinstance(self.temporal, TGCN)
        node = invalid_index(edge_index, nodes) if on_graph else None
        if node is not None:
            raise ValueError(f"edge_index holds node {node}, but x has {nodes} nodes")
        in_time = x.transpose(0, 1).contiguous()  # [T, B, N, F]: the layout that the recurrence reads
        z = self.dropout(self._in_space(in_time, edge_index, edge_weight, frame))
        if isinstance(self.temporal, TGCN):
            z = _over_graph(self.temporal.averaging, z, edge_index, edge_weight, frame)
        return self._in_time(z.reshape(steps, windows * nodes, -1), every_step).unflatten(1, (windows, nodes))

    def of_states(self, states: Tensor, x: Tensor, every_step: bool = False) -> Tensor:
        """What `forward` says, from the `states` of the same x."""
        forecast = self.head(self.dropout(states))
        own = x[..., 0].transpose(0, 1)
        if self.linear is not None:
            forecast = forecast + self._linear_path(own, every_step)
        if self.residual:
            forecast = forecast + (own if every_step else own[-1:])[..., None]
        forecast = forecast.permute(1, 0, 3, 2)
        return forecast if every_step else forecast[:, 0]

    def _in_space(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, frame: Tensor | None) -> Tensor:
        """[T, B, N, F] -> what the recurrent layer reads, [T, B, N, its input_size]."""
        if self.spatial is None:
            return x
        z = torch.relu(_over_graph(self.spatial, x, edge_index, edge_weight, frame))
        wanted, width, features = int(getattr(self.temporal, "input_size")), z.size(-1), x.size(-1)  # noqa: B009
        if wanted == width:
            return z
        if wanted == width + features:
            return torch.cat([x, z], dim=-1)
        raise ValueError(
            f"temporal has input_size {wanted}: expected {width}, the width of spatial, "
            f"or {width + features}, with the {features} features of x"
        )

    def _in_time(self, z: Tensor, every_step: bool) -> Tensor:
        """[T, B * N, width] -> the states [1 or T, B * N, hidden]."""
        if isinstance(self.temporal, TGCN):
            states = self.temporal.recur(z, every_step=every_step)
            return states if every_step else states[None]
        if not every_step and ends_in_state(self.temporal):
            return last_state(self.temporal, z)[None]
        if getattr(self.temporal, "batch_first", False):
            outputs, _ = self.temporal(z.transpose(0, 1))
            outputs = outputs.transpose(0, 1)
        else:
            outputs, _ = self.temporal(z)
        return outputs if every_step else outputs[-1:]

    def _linear_path(self, own: Tensor, every_step: bool) -> Tensor:
        """[T, B, N] -> [1 or T, B, N, horizon]; what lies before the window counts as 0."""
        assert self.linear is not None
        lags = self.linear.in_features
        padded = torch.cat([own.new_zeros(max(0, lags - 1), *own.shape[1:]), own])
        recent = padded.unfold(0, lags, 1) if every_step else padded[-lags:].permute(1, 2, 0)[None]
        return self.linear(recent)


def _over_graph(
    layer: nn.Module, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, frame: Tensor | None
) -> Tensor:
    """[T, B, N, F] -> [T, B, N, width] by a graph layer, once over all steps of all windows."""
    weight = edge_weight if "edge_weight" in inspect.signature(layer.forward).parameters else None
    extra = {} if weight is None else {"edge_weight": weight}
    steps, windows, nodes, features = x.shape
    if frame is None:
        z: Tensor = layer(x, edge_index, **extra)
    else:
        if frame.shape != edge_index.shape[1:]:
            raise ValueError(f"frame must be [{edge_index.size(1)}], one for every edge, got {list(frame.shape)}")
        step = invalid_index(frame, steps * windows)
        if step is not None:
            raise ValueError(f"frame holds {step}, but x has {windows} windows of {steps} steps")
        block = (frame % steps) * windows + frame // steps  # time comes first in x
        z = layer(x.reshape(-1, features), edge_index + block * nodes, **extra)
    return z.view(steps, windows, nodes, -1)


def stacked_steps(
    edge_index: Sequence[Tensor], edge_weight: Tensor | Sequence[Tensor] | None, windows: int, steps: int
) -> tuple[Tensor, Tensor | None, Tensor]:
    """One edge list per step as one edge list for a batch of windows, with the `frame` of every edge.

    Raises:
        ValueError: another number of edge lists than of steps, or of weights than of edges.
    """
    if len(edge_index) != steps:
        raise ValueError(f"edge_index has {len(edge_index)} edge lists, but x has {steps} steps")
    counts = torch.tensor([pairs.size(1) for pairs in edge_index], device=edge_index[0].device)
    step = torch.repeat_interleave(torch.arange(steps, device=counts.device), counts)
    window = torch.arange(windows, device=counts.device)
    frame = (window[:, None] * steps + step).flatten()
    weight = None
    if edge_weight is not None:
        weight = edge_weight if isinstance(edge_weight, Tensor) else torch.cat(list(edge_weight))
        if len(weight) != len(step):
            raise ValueError(f"edge_weight has {len(weight)} entries, but there are {len(step)} edges")
        if not isinstance(edge_weight, Tensor) and [len(own) for own in edge_weight] != counts.tolist():
            raise ValueError(
                f"edge_weight has {[len(own) for own in edge_weight]} entries by step, but the steps have "
                f"{counts.tolist()} edges"
            )
        weight = weight.repeat(windows)
    return torch.cat(list(edge_index), dim=1).repeat(1, windows), weight, frame
