"""A linear forecast from a node's own past, its neighbours' and the network's, fitted in closed form."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

INPUTS = ("own", "neighbours", "network")


def neighbours_mean(x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, frame: Tensor | None) -> Tensor:
    """The weighted mean over each node's incoming edges, self-loops left out; 0 where there are none.

    Args:
        x: [windows, steps, nodes].
        edge_index: [2, edges], for all steps; with `frame`, the edges of all steps of all windows.
        edge_weight: [edges] or None.
        frame: [edges], window * steps + step, or None.
    """
    windows, steps, nodes = x.shape
    kept = edge_index[0] != edge_index[1]
    source, target = edge_index[:, kept]
    weight = torch.ones_like(source, dtype=x.dtype) if edge_weight is None else edge_weight[kept].to(x.dtype)
    if frame is None:
        total = scatter(weight, target, dim_size=nodes)
        share = weight / total.clamp(min=1e-9)[target]
        adjacency = torch.zeros(nodes, nodes, dtype=x.dtype, device=x.device)
        adjacency.index_put_((target, source), share, accumulate=True)
        return x @ adjacency.t()
    rows = frame[kept] * nodes
    total = scatter(weight, rows + target, dim_size=x.numel())
    share = weight / total.clamp(min=1e-9)[rows + target]
    mean = scatter(share * x.flatten()[rows + source], rows + target, dim_size=x.numel())
    return mean.view(windows, steps, nodes)


def window_columns(
    x: Tensor, inputs: Sequence[str], lags: int,
    edge_index: Tensor, edge_weight: Tensor | None = None, frame: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The last `lags` steps of x [windows, steps, nodes, features] beside each other [windows, nodes, columns].

    Of the first feature the `INPUTS` asked for, of the others the last step, and 1.
    """
    own = x[..., 0]
    parts = []
    for name in inputs:
        if name == "own":
            read = own
        elif name == "neighbours":
            read = neighbours_mean(own, edge_index, edge_weight, frame)
        else:
            read = own.mean(-1, keepdim=True).expand_as(own)
        parts.append(read[:, -lags:].transpose(1, 2))
    return torch.cat([*parts, x[:, -1, :, 1:], torch.ones_like(x[:, -1, :, :1])], dim=-1)


class LinearForecast(nn.Module):
    r"""Ridge regression of every step ahead on the recent past: one for all nodes, then a correction for each.

    .. math::
        \hat y_i = W\, [x_{i}, \; \mathrm{mean}_{j \in N(i)}\, x_{j}, \; \mathrm{mean}_j\, x_{j}, \; c, \; 1]
            + \sum_{j,\, l} U_{ilj}\, x_{j,\, T-l}

    The first term is the same for all nodes; x is what the `lags` last steps hold of the first feature, c the other
    features of the last step (the calendar). The second, there with `nodes`, lets every node read every other one at
    the lags `reach`. W minimises :math:`\sum \|y - \hat y\|^2 + \lambda \|W\|^2` (without a penalty on the
    constant), then U the same of what is left. The weights are buffers: fitted once, and not trained further.

    Shapes: x [windows, steps, nodes, features], steps >= lags -> [windows, horizon, nodes].

    Args:
        lags, horizon: steps read and forecast.
        features: of x; further ones are not read.
        inputs: some of "own", "neighbours", "network".
        nodes: how many, for the second term; 0 leaves it out.

    Raises:
        ValueError: unknown inputs, or none; in forward: fewer steps than lags.
    """

    weight: Tensor
    across: Tensor

    def __init__(
        self, lags: int, horizon: int, features: int = 1, inputs: Sequence[str] = INPUTS, nodes: int = 0
    ) -> None:
        super().__init__()
        unknown = sorted(set(inputs) - set(INPUTS))
        if unknown or not inputs:
            raise ValueError(f"inputs must be some of {', '.join(INPUTS)}, got {', '.join(inputs) or 'none'}")
        self.lags, self.horizon, self.inputs, self.nodes = lags, horizon, tuple(inputs), nodes
        self.features = features
        self.reach = sorted({1, max(1, lags // 3), lags})
        self.register_buffer("weight", torch.zeros(horizon, lags * len(self.inputs) + features))
        if nodes:
            self.register_buffer("across", torch.zeros(horizon * nodes, len(self.reach) * nodes))

    def columns(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, frame: Tensor | None = None
    ) -> Tensor:
        """What the first term reads, [windows, nodes, columns]; the last column is 1."""
        if x.size(1) < self.lags:
            raise ValueError(f"x has {x.size(1)} steps, but the forecast reads {self.lags}")
        return window_columns(x[..., : self.features], self.inputs, self.lags, edge_index, edge_weight, frame)

    def columns_of(self, inputs: Sequence[str]) -> Tensor:
        """Which columns a forecast of the same sizes with some of these inputs reads, in its order."""
        every = torch.arange(self.weight.size(1))
        own = [every[self.lags * self.inputs.index(name) :][: self.lags] for name in inputs]
        return torch.cat([*own, every[self.lags * len(self.inputs) :]])

    def of_all(self, x: Tensor) -> Tensor:
        """What the second term reads, [windows, lags of `reach` * nodes]."""
        return torch.cat([x[:, -lag, :, 0] for lag in self.reach], dim=1)

    def of_columns(self, columns: Tensor, all_nodes: Tensor) -> Tensor:
        """The forecast [windows, horizon, nodes] from what the terms read."""
        forecast = (columns @ self.weight.t()).transpose(1, 2)
        if self.nodes:
            forecast = forecast + (all_nodes @ self.across.t()).view_as(forecast)
        return forecast

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, frame: Tensor | None = None
    ) -> Tensor:
        return self.of_columns(self.columns(x, edge_index, edge_weight, frame), self.of_all(x))

    def fit(
        self, columns: Tensor, y: Tensor, observed: Tensor, strength: float, scale: Tensor | None = None
    ) -> "LinearForecast":
        """Solve for the weights of the first term.

        Args:
            columns: [windows, nodes, columns], as `columns` gives them.
            y, observed: [windows, horizon, nodes]; what is not observed does not count.
            strength: the penalty.
            scale: [nodes], what an error of 1 weighs at each node; 1 by default.
        """
        return self.solve(self.equations(columns, y, observed, scale), strength)

    def equations(
        self, columns: Tensor, y: Tensor, observed: Tensor, scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The normal equations of the first term in float64: those of some windows and of others add up.

        Returns:
            Products of the columns with each other [1 or horizon, columns, columns], one for all steps where
            everything is observed, and with y [horizon, columns].
        """
        rows = columns.flatten(0, 1).to(torch.float64)
        weigh = torch.ones(columns.size(1)) if scale is None else scale.cpu()
        weigh = (weigh.to(torch.float64) ** 2).expand(len(columns), -1).flatten().to(rows.device)
        target = y.transpose(1, 2).flatten(0, 1).to(torch.float64)
        observed = observed.transpose(1, 2).flatten(0, 1)
        target = target.masked_fill(~observed, 0.0)
        weighted = rows * weigh[:, None]
        if observed.all():
            return (rows.t() @ weighted)[None], target.t() @ weighted
        each = [rows.t() @ (weighted * observed[:, step, None]) for step in range(self.horizon)]
        return torch.stack(each), target.t() @ weighted

    def solve(self, equations: tuple[Tensor, Tensor], strength: float) -> "LinearForecast":
        """The weights of the first term from `equations`."""
        squares, products = equations
        penalty = strength * torch.eye(squares.size(1), dtype=squares.dtype, device=squares.device)
        penalty[-1, -1] = 1e-6
        if len(squares) == 1:  # one system for all steps
            solved = _solved(squares[0] + penalty, products.t()).t()
        else:
            solved = _solved(squares + penalty, products)
        self.weight = solved.to(self.weight.dtype).contiguous()
        return self

    def fit_across(
        self, columns: Tensor, all_nodes: Tensor, y: Tensor, observed: Tensor, strength: float
    ) -> "LinearForecast":
        """Solve for the weights of the second term, on what the first leaves; a missing y counts as forecast."""
        left = (y - (columns @ self.weight.t()).transpose(1, 2)).masked_fill(~observed, 0.0)
        rows = all_nodes.to(torch.float64)
        penalty = strength * torch.eye(rows.size(1), dtype=torch.float64, device=rows.device)
        solved = _solved(rows.t() @ rows + penalty, rows.t() @ left.flatten(1).to(torch.float64))
        self.across = solved.t().to(columns.dtype).contiguous()
        return self


def _solved(squares: Tensor, products: Tensor) -> Tensor:
    try:
        return torch.linalg.solve(squares, products)
    except torch.linalg.LinAlgError:
        raise ValueError(
            f"the linear forecast has no one solution, with squares of up to {squares.abs().max():.1g}: "
            "look for extreme values in the data"
        ) from None
