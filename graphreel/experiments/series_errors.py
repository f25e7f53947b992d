"""How far forecasts of windows are off, in the units of the file: by step, by sensor, and whether bands hold."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from graphreel.combined import forecast_errors

ERRORS = ("test_mse", "test_rmse", "test_mae")


def errors_of(forecast: Tensor, windows: Any) -> dict[str, Any]:
    """Errors of scaled forecasts [windows, horizon, nodes] of `Windows`; also up to every step ahead.

    Of mean and median [2, windows, horizon, nodes] the mean gives the squared errors and the median the absolute ones.
    """
    own, undo = windows.batch(), windows.scaling.undo
    mean, median = (forecast_errors(undo(one), undo(own.y), own.observed) for one in _both(forecast))
    squares, sizes = 0.0, 0.0
    for number, (row, other) in enumerate(zip(mean["by_step"], median["by_step"], strict=True), start=1):
        row["mae"] = other["mae"]
        squares, sizes = squares + row["rmse"] ** 2, sizes + row["mae"]
        row["rmse_up_to"], row["mae_up_to"] = (squares / number) ** 0.5, sizes / number
    return {**mean, "test_mae": median["test_mae"]}


def by_sensor(forecast: Tensor, windows: Any, point: Tensor, band: Tensor | None) -> dict[str, Any]:
    """The errors at every sensor, None where nothing is known, and which share of the values the bands hold.

    Args:
        forecast: as for `errors_of`.
        point: [windows, horizon, nodes], what the bands lie around.
        band: [horizon, nodes], scaled; None leaves the shares out.
    """
    own, deviation = windows.batch(), windows.scaling.deviation
    mean, median = ((one - own.y) * own.observed * deviation for one in _both(forecast))
    known = own.observed.sum((0, 1)).double()
    columns = {"rmse": ((mean**2).sum((0, 1)) / known).sqrt(), "mae": median.abs().sum((0, 1)) / known}
    found: dict[str, Any] = {}
    if band is not None:
        inside = (((point - own.y).abs() <= band) & own.observed).sum((0, 1))
        columns["coverage"] = inside / known
        found["coverage"] = float(inside.sum() / known.sum())
    rows = torch.stack(list(columns.values()), dim=1).tolist()
    told = [dict(zip(columns, row, strict=True)) if row[0] == row[0] else dict.fromkeys(columns) for row in rows]
    names = windows.series.nodes
    return {**found, "by_sensor": [{"sensor": name, **row} for name, row in zip(names, told, strict=True)]}


def mean_by_sensor(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The `by_sensor` of several seeds as their mean."""
    found = []
    told = [row["by_sensor"] for row in rows if "by_sensor" in row]  # seeds of older versions lack them
    for own in zip(*told, strict=True):
        name, *keys = own[0]["sensor"], *(key for key in own[0] if key != "sensor")
        mean = {key: None if own[0][key] is None else statistics.fmean(one[key] for one in own) for key in keys}
        found.append({"sensor": name, **mean})
    return found


def worst_sensors(rows: list[dict[str, Any]], count: int = 5) -> str:
    """The sensors with the largest errors, in words."""
    worst = sorted((row for row in rows if row["rmse"] is not None), key=lambda row: -row["rmse"])[:count]
    return ", ".join(f"{row['sensor']} RMSE {row['rmse']:.4g}" for row in worst)


def _both(forecast: Tensor) -> Tensor:
    return forecast if forecast.dim() == 4 else forecast.expand(2, -1, -1, -1)
