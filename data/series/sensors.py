"""Sensor series from files: wide .csv with an adjacency .csv, and PyG-Temporal's .json."""

import json
import math
import warnings
from array import array
from itertools import chain, dropwhile, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .csv_rows import is_blank, is_number, rows_of
from .sensor_graphs import json_edges, numbers_of, read_adjacency
from .windows import SensorSeries, SensorSplits, split_in_time

TIME_NAMES = {"time", "date", "datetime", "timestamp", "t"}
WEEKS_OF_A_YEAR = 365.25 / 7


def load_csv(
    path: Path,
    adjacency: str | Path | None = None,
    lags: int = 12,
    horizon: int = 12,
    train_fraction: float = 0.8,
    validation: float = 0.1,
    split: str = "rows",
    missing: float | None = None,
    calendar: bool | float = False,
) -> SensorSplits:
    """Load a wide .csv [time x node] with the graph in an adjacency .csv [node x node].

    A first row of names (or numbers of nodes) and a first column of times are known as such; an adjacency whose first
    row names the same nodes may have them in another order. A field that is empty or `nan` is missing: it is masked,
    and the model reads the mean in its place and, as one more feature, that it is.

    Args:
        path: the series.
        adjacency: weights [source x target], 0 where there is no edge; NAME_adj.csv beside NAME_*.csv by default.
        lags, horizon, train_fraction, validation, split: see `split_in_time`.
        missing: a value that also means missing, say 0.
        calendar: add where in the day and the week (or the year, of slower series) a step is, as sines and cosines;
            a number is the number of steps of the cycle, needed where there is no column of times.

    Raises:
        ValueError: a field that is no number, a gap in time, an adjacency of another size, of other nodes, or with
            weights below 0.
        FileNotFoundError: there is no adjacency.
    """
    series = read_csv(path, adjacency, missing, calendar)
    return split_in_time(series, lags, horizon, train_fraction, validation, split)


def read_csv(
    path: Path, adjacency: str | Path | None = None, missing: float | None = None, calendar: bool | float = False
) -> SensorSeries:
    """The series of a wide .csv and its graph, whole: see `load_csv`."""
    path = Path(path)
    values, times, names = _read_wide(path)
    if missing is not None:
        values[values == missing] = math.nan
    edge_index, edge_weight = read_adjacency(_adjacency_beside(path, adjacency), path, names)
    cycles = _cycles(calendar, times, path)
    return _series(path.stem, values, edge_index, edge_weight, None, names, cycles)


def load_json(
    path: Path,
    lags: int | None = None,
    horizon: int = 1,
    train_fraction: float | None = None,
    validation: float = 0.1,
    split: str = "windows",
    calendar: bool | float = False,
) -> SensorSplits:
    """Load a series in one of PyG-Temporal's .json forms.

    Static: values `FX` (or `X`, `block`) [time x node] and `edges` [[source, target], ...], with or without `weights`
    (chickenpox). Changing: values `y` and `edge_mapping` with `edge_index` and `edge_weight` for every step (England's
    covid cases).

    Args:
        path: the file.
        lags: 4 for a static graph, 7 for a changing one by default.
        horizon, validation, split: see `split_in_time`.
        train_fraction: 0.9 for a static graph, 0.8 for a changing one by default.
        calendar: add where in its cycle a step is; True takes steps for weeks of the year, a number is the number of
            steps of the cycle.

    Raises:
        ValueError: the file is in none of these forms, a node or step is out of range, or a weight is below 0.
    """
    series = read_json(path, calendar)
    lags = lags if lags is not None else (7 if series.changing else 4)
    train_fraction = train_fraction if train_fraction is not None else (0.8 if series.changing else 0.9)
    return split_in_time(series, lags, horizon, train_fraction, validation, split)


def read_json(path: Path, calendar: bool | float = False) -> SensorSeries:
    """The series of a .json and its graph, whole: see `load_json`."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not readable as JSON: {error}") from error
    key = next((k for k in ("FX", "X", "block", "y") if isinstance(content, dict) and k in content), None)
    if key is None or not ("edges" in content or "edge_mapping" in content):
        raise ValueError(f"{path.name} holds no sensor series: expected FX, X, block or y, and edges or edge_mapping")
    values = numbers_of(content[key], f"{key} in {path.name}", "[time x node] numbers")
    if values.ndim != 2:
        raise ValueError(f"{key} in {path.name} must be [time x node], got {list(values.shape)}")
    edge_index, edge_weight, edge_ptr = json_edges(content, values.shape, path.name)
    names = _numbers(values.shape[1])
    given = content.get("node_ids")
    if isinstance(given, dict) and sorted(map(str, given.values())) == sorted(names):
        names = sorted(given, key=lambda name: int(given[name]))
    cycles = [] if calendar is False else [WEEKS_OF_A_YEAR if calendar is True else _cycle(calendar)]
    return _series(path.stem, values, edge_index, edge_weight, edge_ptr, names, cycles)


def _series(
    name: str,
    values: np.ndarray,
    edge_index: Tensor,
    edge_weight: Tensor,
    edge_ptr: Tensor | None,
    names: list[str],
    cycles: list[float],
) -> SensorSeries:
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    observed = torch.from_numpy(np.isfinite(values))
    if not observed.any():
        raise ValueError(f"{name} holds no values: all are missing")
    steps, nodes = values.shape
    features = [torch.from_numpy(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))]
    if not observed.all():
        features.append(observed.float())
    for cycle in cycles:
        angle = 2 * math.pi * torch.arange(steps, dtype=torch.float64) / cycle
        for harmonic in (1, 2):
            wave = torch.stack([(harmonic * angle).sin(), (harmonic * angle).cos()]).float()
            features += list(wave[:, :, None].expand(2, steps, nodes))
    return SensorSeries(name, torch.stack(features, dim=2), observed, edge_index, edge_weight, edge_ptr, names)


def _read_wide(path: Path) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Values [time, nodes] with NaN for missing ones, times or None, and the names of the nodes."""
    stamps, numbers = [], array("d")  # rows are dropped as they are read: fields take eight times the memory of numbers
    rows = dropwhile(is_blank, rows_of(path))
    head = list(islice(rows, 20))
    told = [row for row in head if not is_blank(row)]
    if len(told) < 2:
        raise ValueError(f"{path.name} has {len(told)} rows: expected a series, [time x node]")
    width, header = len(head[0]), head[0] if _is_header(told) else None
    named_time = header is not None and width > 1 and header[0].strip().lower() in {"", *TIME_NAMES}
    start = int(named_time or not is_number(told[int(header is not None)][0]))
    if width == start:
        raise ValueError(
            f"{path.name} has a column of times and no others: expected [time x node], separated by commas"
        )
    blank = 0  # steps without a value, of which those at the end of the file are none
    for number, row in enumerate(chain(head, rows), start=1):
        if is_blank(row):
            blank += len(row) == width and not start
            continue
        if len(row) != width:
            raise ValueError(f"row {number} of {path.name} has {len(row)} fields, but the first has {width}")
        if row is header:
            continue
        stamps += row[:start]
        numbers.extend([math.nan] * (width * blank))
        blank = 0
        try:
            numbers.extend([float(field) if field.strip() else math.nan for field in row[start:]])
        except ValueError:
            column, field = next((c, f) for c, f in enumerate(row) if c >= start and not is_number(f))
            where = f"row {number}, column {column + 1} of {path.name}"
            raise ValueError(f"{where} holds {field!r}: expected a number") from None
    times = _read_times(stamps, path, 1 + (header is not None)) if start else None
    names = [name.strip() for name in header[start:]] if header else _numbers(width - start)
    return np.frombuffer(numbers).reshape(-1, width - start), times, names


def _is_header(rows: list[list[str]]) -> bool:
    """Names; or whole numbers, all different, that are larger than what follows or count from 0: numbers of nodes.

    Before these there may be the name of a column of times, or nothing.
    """
    first = [field.strip() for field in rows[0]]
    if not all(is_number(field) for field in first[1:] or first) or first[0].lower() in TIME_NAMES:
        return True
    start = int(not first[0])
    first = first[start:]
    if not all(field.isdigit() for field in first) or len(set(first)) < len(first) or len(first) < 2:
        return False
    numbers = [int(field) for field in first]
    following = [float(field) for row in rows[1:20] for field in row[start:] if is_number(field) and field.strip()]
    return numbers == list(range(len(numbers))) or (bool(following) and min(numbers) > max(following))


def _read_times(fields: list[str], path: Path, first_row: int) -> np.ndarray:
    try:
        if all(is_number(field) for field in fields):
            times = np.array([float(field.strip() or "nan") for field in fields])
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # offsets from UTC are taken off, as they should be
                times = np.array([field.strip().replace("/", "-") for field in fields], dtype="datetime64[s]")
    except ValueError as error:
        raise ValueError(f"the first column of {path.name} holds a time that is not readable: {error}") from None
    if not np.isfinite(times).all():
        at = int((~np.isfinite(times)).argmax())
        raise ValueError(f"row {at + first_row} of {path.name} holds {fields[at]!r} in place of its time")
    if len(times) < 2:
        return times
    steps = np.diff(times)
    usual = np.median(steps.astype(np.float64))
    slack = 3 * 86400.0 if times.dtype.kind == "M" and usual >= 28 * 86400 else 0.0  # months, quarters, years
    uneven = np.abs(steps.astype(np.float64) - usual) > max(slack, 1e-6 * abs(usual))
    if usual <= 0 or uneven.any():
        at = int(uneven.argmax())
        raise ValueError(
            f"{path.name} has a gap in time: {fields[at].strip()} is followed by {fields[at + 1].strip()} "
            f"in row {at + 1 + first_row}, other rows are {_duration(usual, times)} apart"
        )
    return times


def _duration(usual: float, times: np.ndarray) -> str:
    return str(np.timedelta64(int(usual), "s").astype(object)) if times.dtype.kind == "M" else f"{usual:g}"


def _cycles(calendar: bool | float, times: np.ndarray | None, path: Path) -> list[float]:
    """The cycles to show, in steps: the day and the week of fast series, the year of slow ones."""
    if calendar is False:
        return []
    if calendar is not True:
        return [_cycle(calendar)]
    if times is None or times.dtype.kind != "M":
        raise ValueError(f"calendar=True needs dates in the first column of {path.name}: give the steps of a cycle")
    step = float(np.median(np.diff(times).astype(np.float64)))
    day = 86400.0
    return [day / step, 7 * day / step] if step <= day / 4 else [365.25 * day / step]


def _cycle(calendar: float) -> float:
    if not 1 < calendar < math.inf:
        raise ValueError(f"calendar must be the number of steps of a cycle, more than 1, got {calendar}")
    return float(calendar)


def _adjacency_beside(path: Path, adjacency: str | Path | None) -> Path:
    if adjacency is not None:
        if not Path(adjacency).is_file():
            raise FileNotFoundError(f"there is no adjacency file {adjacency}")
        return Path(adjacency)
    candidates = [f"{path.stem.rpartition('_')[0] or path.stem}_adj.csv", f"{path.stem}_adj.csv"]
    for name in candidates:
        if (path.parent / name).is_file():
            return path.parent / name
    raise FileNotFoundError(f"no adjacency for {path.name}: expected {candidates[0]} beside it, or adjacency=FILE")


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]
