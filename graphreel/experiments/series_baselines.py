"""What takes no network, beside a forecaster: zero, the last value, and linear regressions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphreel.combined import LinearForecast
from graphreel.combined.layers.seasonal_traces import TRACES
from graphreel.experiments.series_settings import SeriesSettings

SEASON_PENALTY, NO_PENALTY = 10.0, 1e-6


class Baselines(nn.Module):
    """Forecasts [windows, horizon, nodes] without a network, in the scale of x.

    zero is 0 in the units of the file; last repeats a node's last value, median that of the window; linear is a
    regression, shared by all nodes, on their own lags; with a season there is a ridge regression on the own lags and
    the network's mean of a season and four steps.

    Args:
        features: of x, those that the state remembers of a season included.
        nodes: how many.
    """

    zero: Tensor

    def __init__(self, settings: SeriesSettings, features: int, nodes: int) -> None:
        super().__init__()
        self.lags, self.horizon, season = settings.lags, settings.horizon, settings.season
        self.own = LinearForecast(settings.lags, self.horizon, inputs=("own",))
        self.season = None
        if season:
            self.season = LinearForecast(season + 4, self.horizon, features - TRACES, ("own", "network"))
        self.names = ["zero", "last", "median", "linear"] + [f"ridge over {season + 4} steps"] * bool(season)
        self.register_buffer("zero", torch.zeros(nodes))

    def fit(self, parts: Any, name: str) -> "Baselines":
        """Fit on a part of `SeriesParts`."""
        scaling, batch = parts.scaling, parts.windows[name].batch()
        self.zero = (-scaling.mean / scaling.deviation).float()
        self.own.fit(self.own.columns(batch.x, batch.edge_index), batch.y, batch.observed, NO_PENALTY)
        if self.season is not None:
            columns, _, y, observed = parts.tables(self.season, name)
            self.season.fit(columns, y, observed, SEASON_PENALTY, parts.deviation)
        return self

    def forward(self, x: Tensor, linear: Callable[[LinearForecast], Tensor]) -> list[Tensor]:
        """The forecasts in the order of `names`, for windows x, where `linear` gives that of a regression."""
        own = x[:, -self.lags :, :, 0]
        constant = (self.zero.to(own).expand(len(own), -1), own[:, -1], own.quantile(0.5, dim=1))
        told = [level[:, None].expand(-1, self.horizon, -1) for level in constant] + [linear(self.own)]
        return told + ([] if self.season is None else [linear(self.season)])
