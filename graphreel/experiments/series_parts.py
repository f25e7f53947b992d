"""The parts of a series as a model reads them, scaled, as windows or as one carried past; errors of forecasts."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from graphreel.combined import LinearForecast, seasonal_traces
from graphreel.experiments.linear_fits import lags_of_linear
from graphreel.experiments.series_errors import errors_of
from graphreel.experiments.series_model import edges_of_windows, recent
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.training import ranks
from graphreel.training.metrics import masked_loss

_EVALUATED_AT_ONCE = 64


def with_traces(series: Any, season: int) -> Any:
    """A scaled series with what a carried state remembers as further features; season 0 leaves it as it is."""
    if not season:
        return series
    traces = seasonal_traces(series.values[..., 0], season)
    return replace(series, values=torch.cat([series.values, traces], dim=2))


def _reading(splits: Any, series: Any, scaling: Any) -> Any:
    """The same windows over another series."""
    parts = {name: copy(getattr(splits, name)) for name in ("train", "validation", "test")}
    for windows in parts.values():
        windows.series, windows.scaling = series, scaling
    return replace(splits, **parts)


def scaled_alike(splits: Any) -> Any:
    """The same windows with all nodes scaled by the mean and the deviation of the training part as a whole."""
    own = splits.train.scaling
    mean = own.mean.mean()
    deviation = (own.deviation**2 + (own.mean - mean) ** 2).mean().sqrt()
    scaling = replace(
        own, mean=torch.full_like(own.mean, float(mean)), deviation=torch.full_like(own.mean, float(deviation))
    )
    return _reading(splits, scaling.apply(splits.series), scaling)


class SeriesParts:
    """The training, validation and test windows of a series, as a model of these settings reads them."""

    def __init__(self, splits: Any, settings: SeriesSettings) -> None:
        self.settings = settings
        if settings.scale == "network":
            splits = scaled_alike(splits)
        splits = _reading(splits, with_traces(splits.train.series, settings.season), splits.train.scaling)
        both = copy(splits.train)
        both.stop = splits.validation.stop
        self.windows = {
            "train": splits.train, "validation": splits.validation, "test": splits.test, "both": both,
        }  # fmt: skip
        self.scaling = splits.train.scaling
        self.features = splits.train.series.values.size(2)
        self.nodes = splits.train.series.values.size(1)
        self.deviation = (self.scaling.deviation / self.scaling.deviation.mean()).float()

    def batch(self, name: str, indices: Tensor | None = None) -> tuple[Any, Tensor | None]:
        """A batch of windows, or, where the state is carried, the whole past and the steps after which to forecast."""
        windows = self.windows[name]
        if self.settings.memory == "carried":
            batch, origins = self._past(name, lags_of_linear(self.settings) if self.settings.skip else 0)
        else:
            batch, origins = windows.batch(indices), None
        device = self.settings.device
        parts = ("x", "y", "observed", "edge_index", "edge_weight", "frame", "clock")
        moved = {part: getattr(batch, part) for part in parts}
        batch = replace(batch, **{k: None if v is None else v.to(device) for k, v in moved.items()})
        return batch, None if origins is None else origins.to(device)

    def tables(self, linear: LinearForecast, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the terms of the linear forecast read, y and observed of a part."""
        windows = self.windows[name]
        if self.settings.memory == "window":
            batch = windows.batch()
            table = linear.columns(batch.x, batch.edge_index, batch.edge_weight, batch.frame)
            return table, linear.of_all(batch.x), batch.y, batch.observed
        batch, origins = self._past(name, linear.lags)
        edges = (batch.edge_index, batch.edge_weight, batch.frame)
        if batch.frame is not None:
            edges = edges_of_windows(batch.edge_index, batch.edge_weight, batch.frame, origins, linear.lags)
        x = recent(batch.x, origins, linear.lags)
        return linear.columns(x, *edges), linear.of_all(x), batch.y, batch.observed

    def _past(self, name: str, lags: int) -> tuple[Any, Tensor]:
        """The past, and the origins of its forecasts; of training, those with `lags` steps and a season before them."""
        batch, origins = self.windows[name].past()
        whole = origins >= max(lags - 1, self.settings.season)
        if name in ("validation", "test") or not whole.any():
            return batch, origins
        clock = None if batch.clock is None else batch.clock[whole]
        return replace(batch, y=batch.y[whole], observed=batch.observed[whole], clock=clock), origins[whole]

    def loss(self, forecast: Tensor, batch: Any, kind: str) -> Tensor:
        """Mean loss of a batch in units of the mean deviation of the nodes, over what is observed."""
        return masked_loss(kind, forecast, batch.y, batch.observed, self.deviation, self.settings.huber)

    @torch.no_grad()
    def forecast(self, model: Callable[..., Tensor], name: str) -> Tensor:
        """All forecasts of a part [..., windows, horizon, nodes] by (what of) a `SeriesModel`; scaled."""
        return torch.cat([told for told, *_ in self._forecasts(model, name)], dim=-3)

    @torch.no_grad()
    def residuals(self, model: Callable[..., Tensor], name: str, most: int) -> tuple[Tensor, Tensor]:
        """Forecast minus value [..., windows, horizon, nodes], and what is observed, of at most so many windows."""
        windows = torch.linspace(0, len(self.windows[name]) - 1, min(most, len(self.windows[name]))).long()
        told = [(forecast - y, observed) for forecast, y, observed in self._forecasts(model, name, windows)]
        return torch.cat([error for error, _ in told], dim=-3), torch.cat([observed for _, observed in told])

    def _forecasts(self, model: Any, name: str, windows: Tensor | None = None) -> list[tuple[Tensor, ...]]:
        """Forecasts, y and observed in groups of windows, which the ranks share; of a carried state all at once."""

        def told(own: Tensor | None) -> tuple[Tensor, ...]:
            batch, origins = self.batch(name, own)
            return model(*read_by_model(batch, origins)).cpu(), batch.y.cpu(), batch.observed.cpu()

        groups: Any = (torch.arange(len(self.windows[name])) if windows is None else windows).split(_EVALUATED_AT_ONCE)
        return ranks.in_parts(groups if self.settings.memory == "window" else [None], told)

    def errors(self, forecast: Tensor, name: str) -> dict[str, Any]:
        """`series_errors.errors_of` a part."""
        return errors_of(forecast.cpu(), self.windows[name])


def read_by_model(batch: Any, origins: Tensor | None) -> tuple[Any, ...]:
    """What a `SeriesModel` is called with."""
    return batch.x, batch.edge_index, batch.edge_weight, batch.frame, origins, batch.clock
