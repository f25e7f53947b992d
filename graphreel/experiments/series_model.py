"""The forecaster of `graphreel combined train`: a linear forecast, and a network that learns what it misses."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphreel.combined import EmbeddedHead, Forecaster, LinearForecast
from graphreel.combined.models.linear_forecast import INPUTS, window_columns
from graphreel.experiments.clip_models import build_spatial, build_temporal
from graphreel.experiments.series_baselines import Baselines
from graphreel.experiments.series_settings import SeriesSettings


class SeriesModel(nn.Module):
    r"""Forecasts in the scale of x.

    .. math:: \hat y = \sum_k s_k\, \hat y_k, \quad \hat y_1 = \mathrm{Linear}(x) + \mathrm{Forecaster}([x, e]),
        \quad \hat y_2 = x_T + \mathrm{Embedded}(h, x, \dots)

    e are features learned for every node. With the linear forecast there, the network starts at no correction. What
    the second network learns changes nothing in the first. The further forecasts are the baselines; the shares s of
    every node are chosen by validation, see `series_gate`: once for the least squared error, a forecast of the mean,
    and once for the least absolute one, of the median.

    Shapes: x [windows, steps, nodes, features] -> [windows, horizon, nodes]; with `origins` [forecasts], x is one
    sequence [1, steps, nodes, features], the state goes through all of it, and the forecasts made after these steps
    come out.

    Args:
        linear: a fitted `LinearForecast`, or None.
        forecaster: the network; its spatial layer reads features + embedding.
        nodes, embedding: how many nodes, and features learned for each.
        embedded: reads the state and the columns of a window of `lags` steps with such inputs; or None.
        baselines: `Baselines` that are weighed against the network, or None.
        bands: whether there is a `band` [horizon, nodes], by which values lie above or below at most, mostly.
        learned: of how many edges the weights are learned; 0 takes those given.
        median: whether `forward` gives the median, or the mean.
    """

    band: Tensor | None
    share: Tensor | None

    def __init__(
        self, linear: LinearForecast | None, forecaster: Forecaster, nodes: int, embedding: int,
        embedded: EmbeddedHead | None = None, baselines: Baselines | None = None,
        lags: int = 0, inputs: Sequence[str] = INPUTS, bands: bool = False, learned: int = 0, median: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.linear, self.forecaster, self.baselines = linear, forecaster, baselines
        self.embedding = nn.Parameter(0.1 * torch.randn(nodes, embedding)) if embedding else None
        self.embedded, self.lags, self.inputs = embedded, lags, inputs
        self.edges = nn.Parameter(torch.zeros(learned)) if learned else None
        self.names = ["model"] + ["embedded"] * (embedded is not None)
        self.networks = len(self.names)
        if baselines is not None:
            self.names += baselines.names + ["ridge"] * (linear is not None)
        share = torch.zeros(2, len(self.names), nodes)
        share[:, 0] = 1.0
        self.register_buffer("share", share if len(self.names) > 1 else None)
        self.median = median
        self.register_buffer("band", torch.zeros(forecaster.horizon, nodes) if bands else None)
        if linear is not None:
            nn.init.zeros_(forecaster.head.weight)
            nn.init.zeros_(forecaster.head.bias)

    def forward(self, x: Tensor, *given: Any) -> Tensor:
        """The forecast; what is given is as for `forecasts`."""
        return self.mean_and_median(x, *given)[int(self.median)]

    def mean_and_median(self, x: Tensor, *given: Any) -> Tensor:
        """Both forecasts [2, windows, horizon, nodes]."""
        told = self.forecasts(x, *given)
        share = told.new_ones(2, 1, 1) if self.share is None else self.share
        return torch.einsum("mkn,kwhn->mwhn", share, told)

    def of_networks(self, x: Tensor, *given: Any) -> Tensor:
        """`forecasts` of the networks alone."""
        return self.forecasts(x, *given, networks_alone=True)  # type: ignore[misc]

    def forecasts(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        frame: Tensor | None = None,
        origins: Tensor | None = None,
        clock: Tensor | None = None,
        networks_alone: bool = False,
    ) -> Tensor:
        """The forecast of each of `names` [names, windows, horizon, nodes]; or of the networks alone."""
        read = x
        if self.embedding is not None:
            read = torch.cat([x, self.embedding.expand(*x.shape[:2], -1, -1)], dim=-1)
        weight = edge_weight
        if self.edges is not None and edge_weight is not None:
            weight = 2 * torch.sigmoid(self.edges) * edge_weight
        states = self.forecaster.states(read, edge_index, weight, frame, origins is not None)
        forecast = self.forecaster.of_states(states, read, origins is not None)
        if origins is not None:
            forecast, states = forecast[0, origins], states[origins].transpose(0, 1)

        def window(lags: int) -> tuple[Tensor, tuple[Any, ...]]:
            own = x if origins is None else recent(x, origins, lags)
            if origins is None or frame is None:
                return own, (edge_index, edge_weight, frame)
            return own, edges_of_windows(edge_index, edge_weight, frame, origins, lags)

        def linear(linear: LinearForecast) -> Tensor:
            own, edges = window(linear.lags)
            forecast: Tensor = linear(own, *edges)
            return forecast

        ridge = None if self.linear is None else linear(self.linear)
        told = [forecast if ridge is None else forecast + ridge]
        if self.embedded is not None:
            own, edges = window(self.lags)
            columns = window_columns(own, self.inputs, self.lags, *edges)
            told.append(own[:, -1:, :, 0] + self.embedded(torch.cat([states[0].detach(), columns], dim=-1), clock))
        if self.baselines is not None and not networks_alone:
            told += self.baselines(window(self.lags)[0], linear)
            told += [] if ridge is None else [ridge]
        return torch.stack(told)


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


def build_forecaster(
    settings: SeriesSettings, features: int, nodes: int, linear: LinearForecast | None = None, cycles: int = 0,
    learned: int = 0,
) -> SeriesModel:  # fmt: skip
    """The model of the settings, for so many features, nodes, cycles of the clock and edges with learned weights."""
    entering = features + settings.embedding
    spatial, width = None, entering
    inputs: Sequence[str] = INPUTS
    if settings.spatial != "none":
        spatial = build_spatial(settings, entering, 1)
        width = entering + settings.hidden
    else:
        inputs = ("own", "network")
    temporal = build_temporal(settings.temporal, width, settings.hidden)
    forecaster = Forecaster(spatial, temporal, settings.horizon, dropout=settings.dropout)
    embedded, baselines = None, None
    if settings.embed:
        columns = settings.hidden + len(inputs) * settings.lags + features
        embedded = EmbeddedHead(columns, nodes, settings.horizon, cycles)
    if settings.gate:
        baselines = Baselines(settings, features, nodes)
    return SeriesModel(
        linear, forecaster, nodes, settings.embedding, embedded, baselines, settings.lags, inputs,
        settings.coverage > 0, learned, settings.loss != "mse",
    )  # fmt: skip
