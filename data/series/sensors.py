"""Sensor series from files: tables, arrays and PyG-Temporal's .json, each with the graph between its sensors."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .array_files import read_array, read_h5
from .sensor_graphs import CORRELATED, correlation_edges, names_sensors, read_adjacency
from .sensor_values import SensorValues, SeriesOptions, read_sensor_table
from .temporal_json import read_temporal_json
from .times import on_a_grid
from .windows import SensorSeries, SensorSplits, split_in_time

TABLES, ARRAYS, H5 = {".csv", ".tsv", ".parquet"}, {".npz", ".npy"}, {".h5", ".hdf5"}
_WEEKS_OF_A_YEAR = 365.25 / 7
_DAY = 86_400_000_000_000  # nanoseconds
_MONDAY = 4 * _DAY  # the first one after 1 January 1970
_CHOSEN = {
    "correlation": "those of sensors whose changes correlate by 0.3 or more in the training part (--adjacency "
    "takes a file, learned or none)",
    "learned": "from the sensors whose changes correlate most in the training part, and training weighs them",
}
_BESIDE = ("{}_adj.csv", "{}_adj.npy", "{}_adj.npz", "{}_edges.csv", "{}_distances.csv", "{}_coordinates.csv")


def load_series(
    path: Path,
    adjacency: str | Path | None = None,
    lags: int | None = None,
    horizon: int | None = None,
    train_fraction: float | None = None,
    validation: float = 0.1,
    split: str | None = None,
    missing: float | None = None,
    calendar: bool | float = False,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    timezone: str | None = None,
    day_first: bool | None = None,
    duplicates: str = "mean",
    every: str | float | None = None,
    target: str | None = None,
) -> SensorSplits:
    """Load a series of sensors and the graph between them, in windows: what was found out is in `series.notes`.

    A table is a .csv, .tsv or .parquet, wide (a column a sensor, or sensor:channel) or long (time, sensor, values);
    arrays are [time, nodes(, channels)] in a .npy, .npz (`data`) or .h5; a .json is one of PyG-Temporal's. The first
    channel is forecast. A value that is missing is masked: the model reads the mean in its place and, as one more
    feature, that it is.

    Args:
        adjacency: a file (see `read_adjacency`), "correlation" (of the training part), "learned" (edges from the 8
            that correlate most, whose weights a forecaster learns) or "none". By default NAME_adj.csv, NAME_edges.csv,
            NAME_distances.csv or NAME_coordinates.csv beside NAME.csv or NAME_*.csv, and correlation without any. A
            .json brings its edges along.
        lags, horizon: 12 and 12 by default, of a .json 4 (7 where the graph changes) and 1.
        train_fraction, split: 0.8 and "rows" by default; of a .json 0.9 (0.8) and "windows": see `split_in_time`.
        validation: see `split_in_time`.
        calendar: add where in the day and the week (or the year, of slower series) a step is, as sines and cosines;
            a number is the number of steps of the cycle, needed where there are no dates. Steps of a .json are weeks.
        missing, header, separator, decimal, encoding, timezone, day_first, duplicates, every, target: see
            `SeriesOptions`; what is not given is found out.

    Raises:
        ValueError: a field that is no number, uneven steps, an adjacency of other nodes, or with weights below 0.
        FileNotFoundError: there is no such adjacency.
    """
    options = SeriesOptions(
        header, separator, decimal, encoding, missing, timezone, day_first, duplicates, every, target
    )  # fmt: skip
    path = Path(path)
    series = read_series(path, adjacency, calendar, options)
    is_json = path.suffix.lower() == ".json"
    lags = lags if lags is not None else (12 if not is_json else 7 if series.changing else 4)
    horizon = horizon if horizon is not None else (1 if is_json else 12)
    if train_fraction is None:
        train_fraction = 0.9 if is_json and not series.changing else 0.8
    split = split or ("windows" if is_json else "rows")
    splits = split_in_time(series, lags, horizon, train_fraction, validation, split)
    if series.edge_source in ("correlation", "learned"):
        known = splits.train.stop + splits.train.lags + splits.train.horizon - 1
        edges = _correlated(series, known, CORRELATED if series.edge_source == "correlation" else -1.0)
        series.edge_index, series.edge_weight = edges
        scaled = splits.train.series
        scaled.edge_index, scaled.edge_weight = edges
        series.notes.append(f"{path.name}: {edges[0].size(1)} edges are {_CHOSEN[series.edge_source]}")
    return splits


def read_series(
    path: Path,
    adjacency: str | Path | None = None,
    calendar: bool | float = False,
    options: SeriesOptions = SeriesOptions(),  # noqa: B008  (it is frozen)
) -> SensorSeries:
    """The series of a file and its graph, whole: see `load_series`. Correlation is left to it: there are no edges."""
    path = Path(path)
    found = _values_of(path, options)
    if not found.named and options.header is None and path.suffix.lower() in TABLES:
        found = _named_by_the_graph(path, adjacency, options) or found
    found = found.settled(path.name, options)
    edge_ptr, source = None, "file"
    if found.edges is not None:
        edge_index, edge_weight, edge_ptr = found.edges
        if adjacency is not None:
            raise ValueError(f"adjacency goes with a table or arrays: {path.name} brings its edges along")
    else:
        file = _adjacency_of(path, adjacency)
        if isinstance(file, Path):
            edge_index, edge_weight = read_adjacency(file, found.nodes, found.named, path.name, found.notes)
        else:
            source = file
            edge_index, edge_weight = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0)
    waves = _waves(calendar, found, path)
    observed = torch.from_numpy(np.isfinite(found.values[:, :, 0]))
    features = [torch.from_numpy(np.nan_to_num(found.values[:, :, 0], nan=0.0))]
    if not observed.all():
        features.append(observed.double())
    features += [wave[:, None].expand(observed.shape) for wave in waves]
    features += list(torch.from_numpy(found.values[:, :, 1:]).unbind(2))
    return SensorSeries(
        path.stem, torch.stack(features, dim=2), observed, edge_index, edge_weight, edge_ptr, found.nodes,
        found.channels, found.times, source, found.notes, _clock(calendar, found),
    )  # fmt: skip


def _values_of(path: Path, options: SeriesOptions) -> SensorValues:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return read_temporal_json(path)
    if suffix in TABLES:
        return read_sensor_table(path, options)
    names, times = None, None
    if suffix in H5:
        values, names, times = read_h5(path)
    elif suffix in ARRAYS:
        values = read_array(path)
    else:
        raise ValueError(f"{path.name} is no series: expected one of {', '.join(sorted(TABLES | ARRAYS | H5))}, .json")
    if values.ndim not in (2, 3) or values.shape[0] < 2 or not values.size:
        raise ValueError(f"{path.name} must hold [time, nodes] or [time, nodes, channels], got {list(values.shape)}")
    values = values.reshape(*values.shape[:2], -1)
    channels = ["value"] if values.shape[2] == 1 else [f"channel{number}" for number in range(values.shape[2])]
    nodes = names or [str(number) for number in range(values.shape[1])]
    notes: list[str] = []
    if times is not None:
        place, grid, notes = on_a_grid(times, path.name)
        even = np.full((len(grid), *values.shape[1:]), np.nan)
        even[place] = values
        values, times = even, grid
    return SensorValues(values, nodes, names is not None, times, channels, notes)


def _named_by_the_graph(path: Path, adjacency: str | Path | None, options: SeriesOptions) -> SensorValues | None:
    """A table whose first row of numbers is made of names, because its graph knows sensors of these names."""
    file = _adjacency_of(path, adjacency)
    if not isinstance(file, Path):
        return None
    found = read_sensor_table(path, replace(options, header=True))
    if not names_sensors(file, found.nodes):
        return None
    found.notes = [note for note in found.notes if "header takes" not in note]
    found.notes.append(f"the first row of {path.name} is taken for names, which its graph knows (--no-header: values)")
    return found


def _adjacency_of(path: Path, adjacency: str | Path | None) -> Path | str:
    """The file of the graph, or "correlation", "learned" or "none"."""
    if adjacency is not None:
        if str(adjacency) in ("correlation", "learned", "none"):
            return str(adjacency)
        if not Path(adjacency).is_file():
            raise FileNotFoundError(
                f"there is no adjacency file {adjacency}: expected one, correlation, learned or none"
            )
        return Path(adjacency)
    stems = dict.fromkeys((path.stem.rpartition("_")[0] or path.stem, path.stem))
    names = [form.format(stem) for form in _BESIDE for stem in stems]
    if path.suffix.lower() not in TABLES:  # PEMS04.csv is beside PEMS04.npz
        names += [f"{path.stem}.csv"]
    return next((path.parent / name for name in names if (path.parent / name).is_file()), "correlation")


def _correlated(series: SensorSeries, rows: int, least: float) -> tuple[Tensor, Tensor]:
    values = series.values[:rows, :, 0].numpy().copy()
    values[~series.observed[:rows].numpy()] = np.nan
    return correlation_edges(values, least)


def same_edges(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    """Whether two lists of edges and weights hold the same, in any order."""
    rows = [sorted(zip(*index.tolist(), weight.tolist(), strict=True)) for index, weight in (one, other)]
    return rows[0] == rows[1]


def _clock(calendar: bool | float, found: SensorValues) -> Tensor | None:
    """Where in the cycle of `calendar`, or in the day and the week, each step is [time, cycles], as far as it goes."""
    if not isinstance(calendar, bool):
        return (torch.arange(len(found.values)) / calendar % 1)[:, None]
    if found.times is None or found.times.dtype.kind != "M":
        return None
    since = torch.from_numpy(found.times.astype(np.int64) - _MONDAY).double()
    step = float(since.diff().median())
    cycles = [since / cycle % 1 for cycle in (_DAY, 7 * _DAY) if step <= cycle / 4]
    return torch.stack(cycles, dim=1).float() if cycles else None


def _waves(calendar: bool | float, found: SensorValues, path: Path) -> list[Tensor]:
    """Sines and cosines [time] of where in its cycles each step is, two harmonics each."""
    if calendar is False:
        return []
    steps = torch.arange(len(found.values), dtype=torch.float64)
    if calendar is not True:
        if not 1 < calendar < math.inf:
            raise ValueError(f"calendar must be the number of steps of a cycle, more than 1, got {calendar}")
        phases = [steps / calendar]
    elif path.suffix.lower() == ".json":
        phases = [steps / _WEEKS_OF_A_YEAR]
    elif found.times is None or found.times.dtype.kind != "M":
        raise ValueError(f"calendar=True needs dates in {path.name}: give the number of steps of a cycle")
    else:
        since = torch.from_numpy(found.times.astype(np.int64) - _MONDAY).double()
        fast = len(steps) > 1 and float(since.diff().median()) <= _DAY / 4
        phases = [since / _DAY, since / (7 * _DAY)] if fast else [since / (365.25 * _DAY)]
    angles = [2 * math.pi * harmonic * phase for phase in phases for harmonic in (1, 2)]
    return [wave for angle in angles for wave in (angle.sin(), angle.cos())]
