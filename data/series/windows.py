"""Windows over a sensor series: slices by index, split in the order of time, scaled by what training may know."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


@dataclass
class SensorSeries:
    """Values of sensors through time, and the graph between them.

    Attributes:
        values: [time, nodes, features]; the first feature is what is forecast. Missing values are 0 here.
        observed: bool [time, nodes], False where the first feature is missing.
        edge_index: [2, edges], of all steps one after the other where the graph changes.
        edge_weight: [edges].
        edge_ptr: where the graph changes, [time + 1]: step t has the edges edge_ptr[t] .. edge_ptr[t + 1] - 1.
        nodes: the names of the nodes.
    """

    name: str
    values: Tensor
    observed: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    edge_ptr: Tensor | None
    nodes: list[str]

    @property
    def changing(self) -> bool:
        """Whether every step has edges of its own."""
        return self.edge_ptr is not None


@dataclass
class Scaling:
    """Takes the first feature to mean 0 and deviation 1, and back: mean [nodes], deviation [nodes]."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def fitted(cls, series: SensorSeries, rows: int) -> "Scaling":
        """Fit on the observed values of the first `rows` steps; a node that never changes there keeps its scale."""
        seen = series.observed[:rows].to(torch.float64)
        values = series.values[:rows, :, 0].to(torch.float64)
        count = seen.sum(0).clamp(min=1)
        mean = (values * seen).sum(0) / count
        deviation = (((values - mean) ** 2 * seen).sum(0) / count).sqrt()
        deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        return cls(mean.to(series.values.dtype), deviation.to(series.values.dtype))

    def apply(self, series: SensorSeries) -> SensorSeries:
        """The series with its first feature scaled; missing values stay 0, which is now the mean."""
        first = (series.values[:, :, 0] - self.mean) / self.deviation
        first = torch.where(series.observed, first, torch.zeros_like(first))
        return replace(series, values=torch.cat([first[..., None], series.values[:, :, 1:]], dim=2))

    def undo(self, forecast: Tensor) -> Tensor:
        """Forecasts [..., nodes] in the units of the file."""
        return forecast * self.deviation + self.mean


@dataclass
class WindowBatch:
    """What a forecaster reads and what it should say.

    Attributes:
        x: [windows, lags, nodes, features].
        y: [windows, horizon, nodes], scaled as x.
        observed: bool [windows, horizon, nodes], False where y is missing and must not count.
        edge_index, edge_weight: the graph, or those of all steps of all windows where it changes.
        frame: None, or, where the graph changes, for every edge the step it belongs to: window * lags + step.
    """

    x: Tensor
    y: Tensor
    observed: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    frame: Tensor | None


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Windows of `lags` steps and the `horizon` steps that follow each. They are slices: nothing is copied.

    `windows[i]` is x [lags, nodes, features] and y [horizon, nodes], views of the (scaled) series; `windows.batch`
    gathers a mini-batch.

    Args:
        series: the scaled series.
        lags, horizon: how many steps are read and forecast.
        first, stop: windows start at the steps first .. stop - 1.
        scaling: takes forecasts back to the units of the file.
    """

    def __init__(self, series: SensorSeries, lags: int, horizon: int, first: int, stop: int, scaling: Scaling) -> None:
        self.series, self.scaling = series, scaling
        self.lags, self.horizon = lags, horizon
        self.first, self.stop = first, stop

    def __len__(self) -> int:
        return self.stop - self.first

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        start = self.first + index % len(self)
        middle = start + self.lags
        return self.series.values[start:middle], self.series.values[middle : middle + self.horizon, :, 0]

    def batch(self, indices: Tensor | None = None, told: bool = True) -> WindowBatch:
        """Gather windows by number (all by default); with told=False without y, which then need not be there yet."""
        indices = torch.arange(len(self)) if indices is None else indices
        start = self.first + indices[:, None]
        read = start + torch.arange(self.lags)
        ahead = start + self.lags + torch.arange(self.horizon if told else 0)
        series = self.series
        x, y, observed = series.values[read], series.values[ahead][..., 0], series.observed[ahead]
        if series.edge_ptr is None:
            return WindowBatch(x, y, observed, series.edge_index, series.edge_weight, None)
        edges, frame = _edges_of(series.edge_ptr, read.flatten())
        return WindowBatch(x, y, observed, series.edge_index[:, edges], series.edge_weight[edges], frame)

    def past(self, told: bool = True) -> tuple[WindowBatch, Tensor]:
        """The whole series up to the last of these windows as one sequence, for a model that carries its state.

        Returns:
            A batch of one sequence x [1, steps, nodes, features] whose y and observed are those of `batch()`, and the
            steps [windows] after which each forecast is due.
        """
        steps = torch.arange(self.stop + self.lags - 1)
        whole, own = self.series, self.batch(told=told)
        due = torch.arange(self.first, self.stop) + self.lags - 1
        x = whole.values[steps][None]
        if whole.edge_ptr is None:
            return WindowBatch(x, own.y, own.observed, whole.edge_index, whole.edge_weight, None), due
        edges, frame = _edges_of(whole.edge_ptr, steps)
        index, weight = whole.edge_index[:, edges], whole.edge_weight[edges]
        return WindowBatch(x, own.y, own.observed, index, weight, frame), due


@dataclass
class SensorSplits:
    """Windows to train on, to choose by and to test on, in the order of time, and the series in the file's units."""

    name: str
    train: Windows
    validation: Windows
    test: Windows
    series: SensorSeries
    settings: dict[str, Any] = field(default_factory=dict)


def split_in_time(
    series: SensorSeries,
    lags: int,
    horizon: int,
    train_fraction: float,
    validation: float,
    split: str,
) -> SensorSplits:
    """Cut a series into training, validation and test windows, none of whose targets is shared, and scale it.

    Args:
        series: in the units of its file.
        lags, horizon: how many steps a window reads and forecasts.
        train_fraction: the share of the training part, of which `validation` is cut from the end.
        validation: that share, of the training part.
        split: "windows": the first train_fraction of all windows train, as in PyG-Temporal (test windows may read, but
            not forecast, steps that training has forecast); "rows": the first train_fraction of all steps belongs to
            training, and test windows lie in the rest, as in T-GCN.

    Raises:
        ValueError: a setting out of range, or a part without windows or without an observed value to forecast.
    """
    for name, size in (("lags", lags), ("horizon", horizon)):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    for name, share in (("train_fraction", train_fraction), ("validation", validation)):
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {share}")
    if split not in ("windows", "rows"):
        raise ValueError(f"split must be windows or rows, got {split!r}")
    steps = len(series.values)
    total = steps - lags - horizon + 1
    if split == "windows":
        first_test = int(train_fraction * total)
        stop_train = first_test - horizon + 1
    else:
        first_test = int(train_fraction * steps)
        stop_train = first_test - lags - horizon + 1
    first_validation = round(stop_train * (1 - validation))
    stop_fit = first_validation - horizon + 1
    parts = {"train": (0, stop_fit), "validation": (first_validation, stop_train), "test": (first_test, total)}
    for name, (first, stop) in parts.items():
        if stop <= first:
            raise ValueError(
                f"{series.name} has {steps} steps: too few for a {name} part with {lags} lags and horizon {horizon}"
            )
        if not series.observed[first + lags : stop + lags + horizon - 1].any():
            raise ValueError(f"{series.name} has no value to forecast in its {name} part: all are missing")
    scaling = Scaling.fitted(series, stop_fit + lags + horizon - 1)
    scaled = scaling.apply(series)
    windows = {name: Windows(scaled, lags, horizon, *span, scaling) for name, span in parts.items()}
    settings = {"lags": lags, "horizon": horizon, "train_fraction": train_fraction, "split": split}
    return SensorSplits(series.name, **windows, series=series, settings=settings)


def _edges_of(edge_ptr: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of all edges of the given steps, one step after the other, and each edge's place in `steps`."""
    counts = edge_ptr[steps + 1] - edge_ptr[steps]
    frame = torch.repeat_interleave(torch.arange(len(steps)), counts)
    return torch.arange(len(frame)) + (edge_ptr[steps] - (counts.cumsum(0) - counts))[frame], frame
