"""Forecasts of a series by a trained run: as a table with times, sensors and bands, and as a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from graphreel.combined.layers.seasonal_traces import TRACES
from graphreel.core.atomic_files import refuse_to_overwrite, write_text, write_whole
from graphreel.core.labels import plain
from graphreel.core.near_names import did_you_mean
from graphreel.data.registry import data_set
from graphreel.data.series import sensors
from graphreel.data.series.sensor_values import SeriesOptions
from graphreel.data.series.times import place_of, shown_times, times_after
from graphreel.data.series.windows import Scaling, Windows
from graphreel.experiments.series_parts import read_by_model, with_traces
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.inspect.load_run import TrainedRun
from graphreel.training.curves import BLUE, ORANGE

_SHOWN = 8  # sensors in the terminal and in the picture
_AT_ONCE = 64


@dataclass(frozen=True)
class Asked:
    """What of a forecast is asked for.

    Attributes:
        sensors: in the picture and in the terminal, by name; the first few by default.
        at: the time, or the number of steps, after which is forecast; the end of the file by default.
        long: the table has a row for each time and sensor, with the band.
    """

    sensors: tuple[str, ...] = ()
    at: str | None = None
    long: bool = False


def read_series(file: Path, adjacency: Path | None, settings: SeriesSettings, saved: dict[str, Any]) -> Any:
    """The series of a file, with the features that the training's had.

    Raises:
        ValueError: a file that is no series, with other nodes than the training's or fewer steps than a window reads.
    """
    if file.is_dir():
        raise ValueError(f"the run expects a video, a keypoint .npz or a series, got the folder {file}")
    if data_set(file).kind != "series":
        raise ValueError(f"the run was trained on a series and expects a file of one, got {file.name}")
    own = None if file.suffix.lower() == ".json" else adjacency or settings.adjacency or None
    series = sensors.read_series(file, own, settings.dates, SeriesOptions(**settings.reading))
    if str(own) in ("correlation", "learned", "none") and str(own) != settings.adjacency:
        raise ValueError(f"the run was trained with another graph than {own}: leave --adjacency out")
    series = series.in_order_of(saved["nodes"], "the run")
    trained_on = saved.get("edges")
    if series.edge_source in ("correlation", "learned"):
        if trained_on is None:
            raise FileNotFoundError(f"no adjacency for {file.name}: give --adjacency FILE, as the training had one")
        series = replace(series, edge_index=trained_on[0], edge_weight=trained_on[1])
    elif trained_on is not None and not sensors.same_edges((series.edge_index, series.edge_weight), trained_on):
        raise ValueError(f"the adjacency of {file.name} is another than that of the training")
    step, trained_step = series.step, saved.get("step")
    if step is not None and trained_step is not None and not 0.8 < step / trained_step < 1.25:
        raise ValueError(
            f"{file.name} has a step every {step:g}, but the run was trained on one every {trained_step:g}"
        )
    cycles = 0 if series.clock is None else series.clock.size(1)
    if settings.embed and cycles != saved["cycles"]:
        known = saved["cycles"]
        raise ValueError(f"the run knows {known} cycles of time, such as the day, but {file.name} tells {cycles}")
    steps, _, features = series.values.shape
    if steps < settings.lags:
        raise ValueError(f"{file.name} has {steps} steps, but the run reads {settings.lags}")
    read = saved["features"] - TRACES * bool(settings.season)
    if features == read + 1:  # values are missing here, and were not in training
        series = replace(series, values=torch.cat([series.values[..., :1], series.values[..., 2:]], dim=2))
    elif features == read - 1:  # the reverse
        mask = series.observed[..., None].double()
        series = replace(series, values=torch.cat([series.values[..., :1], mask, series.values[..., 1:]], dim=2))
    elif features != read:
        raise ValueError(
            f"{file.name} gives {features} features of every node, but the run was trained on {read}: "
            "its steps are of another length, so that --calendar reads other cycles"
        )
    return series


def windows_over(trained: TrainedRun, series: Any) -> Windows:
    """A window before every step of a series, and one after its end, in the scale of the model."""
    settings, scaling = trained.settings, Scaling(**trained.entries["scaling"])
    scaled = with_traces(scaling.apply(series), settings.season)
    return Windows(scaled, settings.lags, settings.horizon, 0, len(series.values) - settings.lags + 1, scaling)


@torch.no_grad()
def forecasts_over(trained: TrainedRun, windows: Windows, first: int, stop: int) -> Tensor:
    """Mean and median forecast after the windows first .. stop - 1, scaled [2, windows, horizon, nodes]."""
    model = trained.model.mean_and_median
    own = Windows(windows.series, windows.lags, windows.horizon, first, stop, windows.scaling)
    if trained.settings.memory == "carried":
        told: Tensor = model(*read_by_model(*own.past(targets=False)))
        return told
    groups = torch.arange(len(own)).split(_AT_ONCE)
    return torch.cat([model(*read_by_model(own.batch(group, targets=False), None)) for group in groups], dim=1)


@dataclass
class Forecast:
    """What is forecast of a series after its first `origin` steps.

    Attributes:
        values: [horizon, nodes], in the units of the file.
        band: how far values lie from them, mostly, or None.
        times: of the horizon, in words; the numbers of the steps where the series has none.
    """

    series: Any
    origin: int
    values: Tensor
    band: Tensor | None
    times: list[str]

    @property
    def time(self) -> str:
        """What the first column is called."""
        return "step" if self.series.times is None else "time"

    def table(self, long: bool) -> str:
        """As .csv: a row a step and a column a sensor; or time, sensor, value, low and high."""
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        if not long:
            writer.writerow([self.time, *self.series.nodes])
            writer.writerows([[time, *row] for time, row in zip(self.times, self.values.tolist(), strict=True)])
            return rows.getvalue()
        writer.writerow([self.time, "sensor", "value", "low", "high"])
        for step, time in enumerate(self.times):
            for node, sensor in enumerate(self.series.nodes):
                value = float(self.values[step, node])
                off = None if self.band is None else float(self.band[step, node])
                writer.writerow([time, sensor, value, *(["", ""] if off is None else [value - off, value + off])])
        return rows.getvalue()


def forecast_of(trained: TrainedRun, file: Path, adjacency: Path | None, at: str | None = None) -> Forecast:
    """The forecast of the steps after the end of a file, or after the time `at`.

    Raises:
        ValueError: see `read_series`; or `at` is no time of the file that has a window before it.
    """
    settings = trained.settings
    series = read_series(file, adjacency, settings, trained.entries)
    origin = len(series.values) if at is None else place_of(at, series.times, len(series.values), settings.timezone)
    if origin < settings.lags:
        raise ValueError(f"--at expects a time with {settings.lags} steps up to it, got {at}, with {origin}")
    windows = windows_over(trained, series)
    told = forecasts_over(trained, windows, origin - settings.lags, origin - settings.lags + 1)
    band = trained.model.band
    times = [str(step + 1) for step in range(settings.horizon)]
    if series.times is not None:
        times = shown_times(times_after(series.times[:origin], settings.horizon), settings.timezone)
    return Forecast(
        series, origin, windows.scaling.undo(told[int(trained.model.median), 0]),
        None if band is None else band.double() * windows.scaling.deviation, times,
    )  # fmt: skip


def write_forecast(trained: TrainedRun, file: Path, adjacency: Path | None, out: Path | None, asked: Asked) -> str:
    """Write the picture and the table of a forecast, and return what is said of it."""
    picture = Path(out) if out is not None else trained.folder.path / "forecast.png"
    if picture.suffix.lower() == ".csv":
        picture = picture.with_suffix(".png")
    if picture.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--out expects a .png, .svg, .pdf or .csv, got {picture.name}")
    read = [file, *file.parent.glob("*_adj.csv"), *([adjacency] if adjacency is not None else [])]
    refuse_to_overwrite([picture.with_suffix(".csv")], read)
    told = forecast_of(trained, file, adjacency, asked.at)
    names = told.series.nodes
    unknown = next((name for name in asked.sensors if name not in names), None)
    if unknown is not None:
        raise ValueError(f"--sensors names {unknown!r}, which {file.name} lacks{did_you_mean(unknown, names)}")
    chosen = [names.index(name) for name in asked.sensors] or list(range(min(_SHOWN, len(names))))
    draw_forecast(told, chosen, picture, trained.settings.timezone)
    table = write_text(picture.with_suffix(".csv"), told.table(asked.long))
    width = max(6, *map(len, told.times))
    shown = chosen[:_SHOWN]
    lines = [f"  {note}" for note in told.series.notes]
    lines += [f"  {told.time:>{width}}" + "".join(f"{names[node][:10]:>12}" for node in shown)]
    for time, row in zip(told.times, told.values.tolist(), strict=True):
        lines.append(f"  {time:>{width}}" + "".join(f"{row[node]:>12.4g}" for node in shown))
    if len(shown) < len(names):
        lines.append(f"  ({len(shown)} of {len(names)} sensors; all in {table.name})")
    return "\n".join([*lines, f"  in {picture.parent}: {picture.name}, {table.name}"])


def draw_forecast(told: Forecast, chosen: Sequence[int], path: Path, zone: str | None) -> Path:
    """Draw past and forecast of the chosen sensors, the band, and what came where that is known."""
    horizon, series, origin = len(told.values), told.series, told.origin
    start = max(0, origin - max(24, 4 * horizon))
    stop = min(len(series.values), origin + horizon)
    where: Any = np.arange(start - origin + 1, horizon + 1)
    dated = series.times is not None and series.times.dtype.kind == "M"
    if dated:
        where = np.concatenate([series.times[start:origin], times_after(series.times[:origin], horizon)])
    figure = Figure(figsize=(10, 1.7 * len(chosen) + 1), layout="constrained")
    for axis, node in zip(figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0], chosen, strict=True):
        own = series.values[start:stop, node, 0].clone()
        own[~series.observed[start:stop, node]] = torch.nan
        past, ahead = origin - start, where[origin - start :]
        axis.plot(where[:past], own[:past], color=BLUE, linewidth=1.4, label="past")
        if stop > origin:
            axis.plot(where[past : stop - start], own[past:], color=BLUE, linewidth=1, linestyle=":", label="what came")
        axis.plot(ahead, told.values[:, node], color=ORANGE, marker=".", linewidth=1.4, label="forecast")
        if told.band is not None:
            low, high = (told.values[:, node] + sign * told.band[:, node] for sign in (-1, 1))
            axis.fill_between(ahead, low, high, color=ORANGE, alpha=0.2, linewidth=0, label="band")
        axis.axvline(where[past - 1], color="#666666", linewidth=0.8, linestyle="--")
        axis.set_title(plain(series.nodes[node]), fontsize=9, loc="left")
        axis.grid(alpha=0.25)
    if not dated:
        axis.set_xlabel("steps from the last that is read")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False)
    after = f" after {shown_times(where[past - 1 : past], zone)[0]}" if dated else ""
    figure.suptitle(plain(f"{series.name}: {horizon} step{'s'[: horizon > 1]} ahead{after}"), x=0.01, ha="left")
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=120))
