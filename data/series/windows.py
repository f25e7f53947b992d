"""Windows over a sensor series: slices by index, split in the order of time, scaled by what training may know."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..match_names import match_names


@dataclass
class SensorSeries:
    """Values of sensors through time, and the graph between them.

    Attributes:
        values: float64 [time, nodes, features]; the first feature is what is forecast, and 0 where it is missing; then,
            where any is, `observed`; waves of the calendar; and last the further channels, NaN where missing.
        observed: bool [time, nodes], False where the first feature is missing.
        edge_index: [2, edges], of all steps one after the other where the graph changes.
        edge_weight: [edges].
        edge_ptr: where the graph changes, [time + 1]: step t has the edges edge_ptr[t] .. edge_ptr[t + 1] - 1.
        nodes: the names of the nodes.
        channels: the names of what the file says of each node; the first is forecast.
        times: of the steps, datetime64[ns] or numbers, or None.
        edge_source: where the edges are from: file, correlation or none.
        notes: what was found out about the file, in sentences.
        clock: [time, cycles], from 0 to 1 through the day, the week or a given cycle; None where none is known.
    """

    name: str
    values: Tensor
    observed: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    edge_ptr: Tensor | None
    nodes: list[str]
    channels: list[str] = field(default_factory=lambda: ["value"])
    times: Any = None
    edge_source: str = "file"
    notes: list[str] = field(default_factory=list)
    clock: Tensor | None = None

    @property
    def changing(self) -> bool:
        """Whether every step has edges of its own."""
        return self.edge_ptr is not None

    @property
    def step(self) -> float | None:
        """The usual time from one step to the next: in seconds, or in the units of times that are numbers."""
        if self.times is None or len(self.times) < 2:
            return None
        length = float(np.median(np.diff(self.times).astype(np.float64)))
        return length / 1e9 if self.times.dtype.kind == "M" else length

    def in_order_of(self, names: list[str], whose: str) -> "SensorSeries":
        """The same with its nodes in the order of the names that, say, a trained model has for them.

        Raises:
            ValueError: they are not the same sensors, see `match_names`.
        """
        place = torch.tensor(match_names(names, self.nodes, whose, self.name))
        edges = place.argsort()[self.edge_index]
        values, observed = self.values[:, place], self.observed[:, place]
        return replace(self, values=values, observed=observed, edge_index=edges, nodes=list(names))


@dataclass
class Scaling:
    """Takes the first feature of each node to mean 0 and deviation 1, and back, and each further channel as a whole.

    All in float64: values of 1e8 +- 5 keep their shape, since what a model reads is rounded after the mean is off.

    Attributes:
        mean, deviation: [nodes], of the first feature.
        channel_mean, channel_deviation: [channels - 1].
    """

    mean: Tensor
    deviation: Tensor
    channel_mean: Tensor = field(default_factory=lambda: torch.zeros(0))
    channel_deviation: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def fitted(cls, series: SensorSeries, rows: int) -> "Scaling":
        """Fit on the observed values of the first `rows` steps; what never changes there keeps its scale."""
        more = len(series.channels) - 1
        channels = series.values[:rows, :, series.values.size(2) - more :].flatten(0, 1)
        return cls(
            *_mean_and_deviation(series.values[:rows, :, 0], series.observed[:rows]),
            *_mean_and_deviation(channels, channels.isfinite()),
        )

    def apply(self, series: SensorSeries) -> SensorSeries:
        """The series as a model reads it, in float32; missing values become 0, which is now the mean."""
        first = (series.values[:, :, 0] - self.mean) / self.deviation
        first = torch.where(series.observed, first, torch.zeros_like(first))
        more = series.values.size(2) - len(self.channel_mean)
        channels = (series.values[:, :, more:] - self.channel_mean) / self.channel_deviation
        parts = [first[..., None], series.values[:, :, 1:more], channels.nan_to_num(nan=0.0)]
        return replace(series, values=torch.cat(parts, dim=2).float())

    def undo(self, forecast: Tensor) -> Tensor:
        """Forecasts [..., nodes] in the units of the file, in float64."""
        return forecast * self.deviation.double() + self.mean.double()


def _mean_and_deviation(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Over the first dimension, in float64, of what is known; a deviation of 0 becomes 1."""
    values = torch.where(known, values, torch.zeros_like(values)).double()
    count = known.sum(0).clamp(min=1)
    mean = values.sum(0) / count
    deviation = (((values - mean) ** 2 * known).sum(0) / count).sqrt()
    return mean, torch.where(deviation > 0, deviation, torch.ones_like(deviation))


@dataclass
class WindowBatch:
    """What a forecaster reads and what it should say.

    Attributes:
        x: [windows, lags, nodes, features].
        y: [windows, horizon, nodes], scaled as x.
        observed: bool [windows, horizon, nodes], False where y is missing and must not count.
        edge_index, edge_weight: the graph, or those of all steps of all windows where it changes.
        frame: None, or, where the graph changes, for every edge the step it belongs to: window * lags + step.
        clock: [windows, cycles], of the last step that is read; None where the series has none.
    """

    x: Tensor
    y: Tensor
    observed: Tensor
    edge_index: Tensor
    edge_weight: Tensor
    frame: Tensor | None
    clock: Tensor | None = None


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

    def batch(self, indices: Tensor | None = None, targets: bool = True) -> WindowBatch:
        """Gather windows by number (all by default); with targets=False without y, which need not be there yet then."""
        indices = torch.arange(len(self)) if indices is None else indices
        start = self.first + indices[:, None]
        read = start + torch.arange(self.lags)
        ahead = start + self.lags + torch.arange(self.horizon if targets else 0)
        series = self.series
        x, y, observed = series.values[read], series.values[ahead][..., 0], series.observed[ahead]
        clock = None if series.clock is None else series.clock[read[:, -1]]
        if series.edge_ptr is None:
            return WindowBatch(x, y, observed, series.edge_index, series.edge_weight, None, clock)
        edges, frame = _edges_of(series.edge_ptr, read.flatten())
        return WindowBatch(x, y, observed, series.edge_index[:, edges], series.edge_weight[edges], frame, clock)

    def past(self, targets: bool = True) -> tuple[WindowBatch, Tensor]:
        """The whole series up to the last of these windows as one sequence, for a model that carries its state.

        Returns:
            A batch of one sequence x [1, steps, nodes, features] whose y and observed are those of `batch()`, and the
            steps [windows] after which each forecast is made.
        """
        steps = torch.arange(self.stop + self.lags - 1)
        whole, own = self.series, self.batch(targets=targets)
        origins = torch.arange(self.first, self.stop) + self.lags - 1
        index, weight, frame = whole.edge_index, whole.edge_weight, None
        if whole.edge_ptr is not None:
            edges, frame = _edges_of(whole.edge_ptr, steps)
            index, weight = index[:, edges], weight[edges]
        x = whole.values[steps][None]
        return WindowBatch(x, own.y, own.observed, index, weight, frame, own.clock), origins


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
