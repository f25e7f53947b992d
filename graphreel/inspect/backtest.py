"""`graphreel combined backtest`: forecasts of a trained run after every step of a series, and how far off."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from graphreel.core.atomic_files import write_text
from graphreel.data.series.times import place_of, shown_times
from graphreel.data.series.windows import Windows
from graphreel.experiments.series_errors import by_sensor, errors_of, worst_sensors
from graphreel.inspect.forecasts import forecasts_over, read_series, windows_over
from graphreel.inspect.load_run import TrainedRun, load_run


def backtest(path: Path, file: Path, adjacency: Path | None, out: Path | None, start: str | None) -> str:
    """Forecast after every step whose whole horizon is known, with the weights as they are; a table, and as text.

    Steps that the run was trained on are left out, unless `start` says from where on.

    Raises:
        ValueError: see `read_series`; or too few steps are left.
    """
    trained = load_run(path, "series")
    table = Path(out) if out is not None else trained.folder.path / "backtest.csv"
    settings = trained.settings
    series = read_series(file, adjacency, settings, trained.entries)
    every = windows_over(trained, series)
    known = _trained_on(trained, series, file) if start is None else 0
    origin = max(known, settings.lags)
    if start is not None:
        origin = max(origin, place_of(start, series.times, len(series.values), settings.timezone))
    first, stop = origin - settings.lags, len(series.values) - settings.lags - settings.horizon + 1
    if stop <= first:
        raise ValueError(
            f"{file.name} has {len(series.values) - origin} steps after those that are read first: "
            f"expected {settings.horizon} at least"
        )
    windows = Windows(every.series, settings.lags, settings.horizon, first, stop, every.scaling)
    told = forecasts_over(trained, windows, first, stop)
    own, band, point = windows.batch(), trained.model.band, told[int(trained.model.median)]
    if not own.observed.any():
        raise ValueError(f"{file.name} has no value to compare with: all are missing")
    errors, last = errors_of(told, windows), errors_of(own.x[:, -1:, :, 0].expand_as(own.y), windows)
    sensors = by_sensor(told, windows, point, band)
    off = (point - own.y).double().abs() * own.observed * every.scaling.deviation
    count = own.observed.sum((1, 2)).double()
    columns = {"rmse": (off**2).sum((1, 2)).div(count).sqrt(), "mae": off.sum((1, 2)) / count}
    if band is not None:
        columns["coverage"] = (((point - own.y).abs() <= band) & own.observed).sum((1, 2)) / count
    at = np.arange(origin, origin + len(windows))
    times = [str(step) for step in at] if series.times is None else shown_times(series.times[at - 1], settings.timezone)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["step" if series.times is None else "time", *columns])
    writer.writerows(zip(times, *(column.tolist() for column in columns.values()), strict=True))
    write_text(table, rows.getvalue())
    lines = [f"  {note}" for note in series.notes]
    left_out = f", without the {known} that the run was trained on" if known else ""
    lines.append(f"  {len(windows)} forecasts, after each step from {times[0]} to {times[-1]}{left_out}")
    lines.append(f"  {'step':>6}{'RMSE':>10}{'MAE':>10}{'last RMSE':>12}{'MAE':>10}")
    for row, other in zip(errors["by_step"], last["by_step"], strict=True):
        lines.append(f"  {row['step']:>6}{_figures(row['rmse'], row['mae'])}  {_figures(other['rmse'], other['mae'])}")
    mean = [(one["test_rmse"], one["test_mae"]) for one in (errors, last)]
    lines.append(f"  {'all':>6}{_figures(*mean[0])}  {_figures(*mean[1])}")
    if "coverage" in sensors:
        lines.append(f"  in bands {sensors['coverage']:.1%} of the values, {settings.coverage:.0%} asked")
    lines += [f"  worst sensors {worst_sensors(sensors['by_sensor'])}", f"  in {table.parent}: {table.name}"]
    return "\n".join(lines)


def _figures(rmse: float, mae: float) -> str:
    return f"{rmse:>10.4g}{mae:>10.4g}"


def _trained_on(trained: TrainedRun, series: Any, file: Path) -> int:
    """How many of the first steps of a file the run was trained on: by their times, or else of the same file."""
    steps, time = trained.entries.get("trained_until", (0, None))
    if time is not None and series.times is not None and series.times.dtype.kind == "M":
        return int((series.times <= np.datetime64(time)).sum())
    same = file.resolve() == Path(trained.settings.data).resolve()
    return int(steps) if same else 0
