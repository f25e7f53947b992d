"""The forecaster of `graphreel combined train`: a linear forecast, and a network that learns what it misses."""

import torch
from torch import Tensor, nn

from graphreel.combined import Forecaster, LinearForecast
from graphreel.experiments.clip_models import build_spatial, build_temporal
from graphreel.experiments.series_settings import SeriesSettings


class SeriesModel(nn.Module):
    r"""Forecasts in the scale of x.

    .. math:: \hat y = \mathrm{Linear}(x) + \mathrm{Forecaster}([x, e])

    e are features learned for every node. With the linear forecast there, the network starts at no correction.

    Shapes: x [windows, steps, nodes, features] -> [windows, horizon, nodes]; with `origins` [forecasts], x is one
    sequence [1, steps, nodes, features], the state goes through all of it, and the forecasts made after these steps
    come out.

    Args:
        linear: a fitted `LinearForecast`, or None.
        forecaster: the network; its spatial layer reads features + embedding.
        nodes, embedding: how many nodes, and features learned for each.
    """

    def __init__(self, linear: LinearForecast | None, forecaster: Forecaster, nodes: int, embedding: int) -> None:
        super().__init__()
        self.linear, self.forecaster = linear, forecaster
        self.embedding = nn.Parameter(0.1 * torch.randn(nodes, embedding)) if embedding else None
        if linear is not None:
            nn.init.zeros_(forecaster.head.weight)
            nn.init.zeros_(forecaster.head.bias)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        frame: Tensor | None = None,
        origins: Tensor | None = None,
    ) -> Tensor:
        read = x
        if self.embedding is not None:
            read = torch.cat([x, self.embedding.expand(*x.shape[:2], -1, -1)], dim=-1)
        forecast = self.forecaster(read, edge_index, edge_weight, frame, every_step=origins is not None)
        if origins is not None:
            forecast = forecast[0, origins]
        if self.linear is not None:
            window = x if origins is None else recent(x, origins, self.linear.lags)
            edges = (edge_index, edge_weight, frame)
            if origins is not None and frame is not None:
                edges = edges_of_windows(edge_index, edge_weight, frame, origins, self.linear.lags)
            forecast = forecast + self.linear(window, *edges)
        return forecast


def recent(x: Tensor, origins: Tensor, lags: int) -> Tensor:
    """The `lags` steps up to each origin, as windows [origins, lags, nodes, features]; zeros before the start."""
    padded = torch.cat([x.new_zeros(lags, *x.shape[2:]), x[0]])
    steps = origins[:, None] + torch.arange(1, lags + 1, device=x.device)
    return padded[steps]


def edges_of_windows(
    edge_index: Tensor, edge_weight: Tensor | None, frame: Tensor, origins: Tensor, lags: int
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The edges of the steps that `recent` lays out, with the place of each: window * lags + step."""
    order = frame.argsort(stable=True)
    counts = torch.bincount(frame, minlength=int(origins.max()) + 1)
    starts = counts.cumsum(0) - counts
    steps = (origins[:, None] + torch.arange(1 - lags, 1, device=origins.device)).flatten()
    places = torch.arange(len(steps), device=origins.device)[steps >= 0]
    steps = steps[steps >= 0]
    own = counts[steps]
    place = torch.repeat_interleave(places, own)
    offset = torch.arange(int(own.sum()), device=origins.device) - torch.repeat_interleave(own.cumsum(0) - own, own)
    chosen = order[torch.repeat_interleave(starts[steps], own) + offset]
    return edge_index[:, chosen], None if edge_weight is None else edge_weight[chosen], place


def build_forecaster(settings: SeriesSettings, features: int, nodes: int, linear: LinearForecast | None) -> SeriesModel:
    """The model of the settings, for so many features and nodes."""
    entering = features + settings.embedding
    spatial = None
    width = entering
    if settings.spatial != "none":
        spatial = build_spatial(settings, entering, 1)
        width = entering + settings.hidden
    temporal = build_temporal(settings.temporal, width, settings.hidden)
    forecaster = Forecaster(spatial, temporal, settings.horizon, dropout=settings.dropout)
    return SeriesModel(linear, forecaster, nodes, settings.embedding)
