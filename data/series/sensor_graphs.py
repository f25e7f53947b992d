"""The graph between sensors: a matrix, edges, distances, coordinates, or how their values go together."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..graphs.restricted_pickle import read_pickle
from ..match_names import canonical, match_names
from ..tables import (
    DISTANCE_NAMES,
    LATITUDES,
    LONGITUDES,
    SENSOR_NAMES,
    SOURCE_NAMES,
    TARGET_NAMES,
    WEIGHT_NAMES,
    Table,
    TableOptions,
    read_table,
)
from .array_files import read_array

Edges = tuple[Tensor, Tensor]
THRESHOLD = 0.1  # weights below it are no edges, as in DCRNN
NEIGHBORS = 8  # of a sensor, where edges are chosen by nearness or by correlation
CORRELATED = 0.3  # the least correlation that makes an edge
_EARTH = 6371.0  # km


def read_adjacency(file: Path, nodes: list[str], named: bool, series: str, notes: list[str]) -> Edges:
    """Edges [2, edges], from source to target, and weights [edges] from a file, sensors matched by their names.

    A square matrix [source, target], with names or in the order of the series; a list of source, target and weight,
    or distance, which becomes exp(-(d / deviation)^2) as in DCRNN (Li et al., 2018) where that is 0.1 or more; or
    coordinates, of which each sensor gets edges from its nearest.

    Args:
        nodes, named: the sensors' names, and whether the series gives them; without, names count for nothing.
        series: what the series is called.
        notes: what is decided is added to them.

    Raises:
        ValueError: none of these, other sensors than those of the series, or a weight below 0 or not finite.
    """
    whose = f"the adjacency {file.name}"
    suffix = file.suffix.lower()
    if suffix in (".npy", ".npz", ".pkl"):
        names, matrix = _matrix_of(file)
        return _from_matrix(matrix, names, names, nodes, named, whose, series, notes)
    table = _table_of(file, nodes if named else [])
    square = _is_square(table)
    longitude, latitude = table.find(LONGITUDES | {"x"}), table.find(LATITUDES | {"y"})
    if longitude is not None and latitude is not None and not square:
        return _from_coordinates(table, longitude, latitude, nodes, named, whose, series, notes)
    if _is_list(table) and not square:
        return _from_list(table, nodes, named, whose, series, notes)
    if table.named and table.frame.shape == (len(nodes) - 1, len(nodes)):  # a row of numbers taken for names
        table = read_table(file, TableOptions(header=False))
    columns = table.frame.shape[1]
    start = columns - len(table.frame)
    if start not in (0, 1) or len(table.frame) != len(nodes):
        size = f"{len(table.frame)} x {columns - (start == 1)}"
        if abs(start) > 1:
            raise ValueError(f"{whose} is {size}: expected a square, or columns source, target and weight")
        raise ValueError(f"{whose} is {size}, but {series} has {len(nodes)} nodes")
    matrix = np.stack([table.numbers(place) for place in range(start, columns)], axis=1)
    targets = [str(column).strip() for column in table.frame.columns[start:]] if table.named else []
    sources = table.texts(0) if start else targets
    return _from_matrix(matrix, sources, targets, nodes, named, whose, series, notes)


def names_sensors(file: Path, nodes: list[str]) -> bool:
    """Whether a graph's file names all of these sensors itself, other than by 0, 1, 2, ..."""
    if file.suffix.lower() in (".npy", ".npz", ".pkl"):
        given = _matrix_of(file)[0]
    else:
        table = _table_of(file, nodes)
        ends = [table.find(SOURCE_NAMES), table.find(TARGET_NAMES)]
        column = table.find(SENSOR_NAMES | {"name", ""})
        columns = [column] if column is not None else []
        if _is_list(table) and not _is_square(table):
            columns = [0, 1] if None in ends else [place for place in ends if place is not None]
        given = [name for place in columns for name in table.texts(place)]
        if table.named and table.frame.shape[0] == table.frame.shape[1]:
            given = [str(name) for name in table.frame.columns]
    names = set(map(canonical, given))
    return set(map(canonical, nodes)) <= names != set(map(str, range(len(names))))


def _table_of(file: Path, nodes: list[str]) -> Table:
    """A table, whose first row of numbers are names where they are the sensors'."""
    table = read_table(file)
    if table.named:
        return table
    named = read_table(file, TableOptions(header=True))
    same = {canonical(str(column)) for column in named.frame.columns} - {""} == set(map(canonical, nodes))
    return named if same else table


def _from_matrix(
    matrix: np.ndarray, sources: list[str], targets: list[str],
    nodes: list[str], named: bool, whose: str, series: str, notes: list[str],
) -> Edges:  # fmt: skip
    if matrix.shape != (len(nodes), len(nodes)):
        size = " x ".join(map(str, matrix.shape))
        raise ValueError(f"{whose} is {size}, but {series} has {len(nodes)} nodes")
    rows, columns = (_order(names, nodes, named, whose, series, notes) for names in (sources, targets))
    matrix = matrix[np.ix_(rows, columns)]
    source, target = np.nonzero(matrix)
    return torch.from_numpy(np.stack([source, target])), as_weights(matrix[source, target], whose)


def _order(given: list[str], nodes: list[str], named: bool, whose: str, series: str, notes: list[str]) -> np.ndarray:
    """Where each of `nodes` stands among the names given."""
    numbers = [str(number) for number in range(len(nodes))]
    by_number = given == numbers and named and not set(map(canonical, nodes)) & set(numbers)
    if not given or not named or by_number:
        told = f"{whose} has names and {series} has none: sensors are taken in the order of the columns"
        if by_number:
            told = f"{whose} numbers the sensors in the order of {series}, from 0"
        if given and (by_number or given != numbers) and told not in notes:
            notes.append(told)
        return np.arange(len(nodes))
    place = match_names(given, nodes, whose, series)
    if [nodes[p] for p in place] != given and f"{whose}: names are" not in " ".join(notes):
        notes.append(f"{whose}: names are matched without case, spaces, leading zeros and a whole number's decimals")
    return np.argsort(place)


def _is_square(table: Table) -> bool:
    """Whether the rows have the names of the columns."""
    return table.named and list(map(canonical, table.texts(0))) == [canonical(str(c)) for c in table.frame.columns[1:]]


def _is_list(table: Table) -> bool:
    rows, columns = table.frame.shape
    if table.find(SOURCE_NAMES) is not None and table.find(TARGET_NAMES) is not None:
        return True
    texts = columns > 1 and not table.is_numeric(1)  # a matrix has names in its first column alone
    return columns in (2, 3) and (texts or columns - rows not in (0, 1))


def _from_list(table: Table, nodes: list[str], named: bool, whose: str, series: str, notes: list[str]) -> Edges:
    found = table.find(SOURCE_NAMES), table.find(TARGET_NAMES)
    ends = found if None not in found else (0, 1)
    numbers = [str(number) for number in range(len(nodes))]
    names = table.texts(ends[0]) + table.texts(ends[1])  # type: ignore[arg-type]
    by_number = not named or (not set(names) & set(nodes) and set(names) <= set(numbers))
    if by_number and named:
        notes.append(f"{whose} numbers the sensors in the order of {series}, from 0")
    place = match_names(names, numbers if by_number else nodes, whose, series, all_of=False)
    edges = torch.tensor(place).reshape(2, -1)
    distance, weight = table.find(DISTANCE_NAMES), table.find(WEIGHT_NAMES)
    rest = [column for column in range(table.frame.shape[1]) if column not in ends]
    weight = weight if weight is not None else (rest[0] if rest and distance is None else None)
    if weight is not None:
        return edges, as_weights(table.numbers(weight), whose)
    if distance is None:
        return edges, torch.ones(edges.size(1))
    return _near_enough(edges, table.numbers(distance), whose, notes)


def _near_enough(edges: Tensor, distances: np.ndarray, whose: str, notes: list[str]) -> Edges:
    if not (np.isfinite(distances) & (distances >= 0)).all():
        raise ValueError(f"{whose} holds distances that are missing, infinite or below 0")
    deviation = float(distances.std()) or 1.0
    weights = np.exp(-((distances / deviation) ** 2))
    kept = weights >= THRESHOLD
    notes.append(
        f"{whose} holds distances: weights are exp(-(d / {deviation:.4g})^2), of which {int(kept.sum())} of "
        f"{len(kept)} are at least {THRESHOLD}"
    )
    return edges[:, torch.from_numpy(kept)], torch.from_numpy(weights[kept]).float()


def _from_coordinates(
    table: Table, longitude: int, latitude: int,
    nodes: list[str], named: bool, whose: str, series: str, notes: list[str],
) -> Edges:  # fmt: skip
    x, y = table.numbers(longitude), table.numbers(latitude)
    column = table.find(SENSOR_NAMES | {"name", ""})
    names = table.texts(column) if column is not None else []
    if not names and len(x) != len(nodes):
        raise ValueError(f"{whose} has {len(x)} rows, but {series} has {len(nodes)} nodes")
    order = _order(names, nodes, named, whose, series, notes)
    x, y = x[order], y[order]
    if not np.isfinite(x + y).all():
        raise ValueError(f"{whose} lacks a coordinate")
    if str(table.frame.columns[latitude]).strip().lower() in LATITUDES:
        phi, lam = np.radians(y), np.radians(x)
        chord = np.sin((phi[:, None] - phi) / 2) ** 2
        chord += np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
        distances = 2 * _EARTH * np.arcsin(np.sqrt(chord.clip(0, 1)))
    else:
        distances = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distances, np.inf)
    count = min(NEIGHBORS, len(nodes) - 1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    edges = torch.from_numpy(np.stack([nearest.ravel(), np.arange(len(nodes)).repeat(count)]))
    notes.append(f"{whose} holds coordinates: each sensor gets edges from its {count} nearest")
    return _near_enough(edges, np.take_along_axis(distances, nearest, axis=1).ravel(), whose, notes)


def correlation_edges(values: np.ndarray, least: float = CORRELATED) -> Edges:
    """Edges to each sensor from those whose changes go with its own, by correlation: `least` or more, and 8 at most.

    The weights are the correlations, or 0.05 where these are lower.

    Args:
        values: [time, nodes] with NaN where missing, of the training part alone.
    """
    changes = np.diff(values, axis=0)
    known = np.isfinite(changes)
    centred = np.where(known, changes - np.nanmean(np.where(known.any(0), changes, 0.0), axis=0), 0.0)
    lengths = np.sqrt((centred**2).sum(0))
    correlation = centred.T @ centred / np.maximum(lengths[:, None] * lengths, 1e-300)
    np.fill_diagonal(correlation, -1.0)
    count = min(NEIGHBORS, len(correlation) - 1)
    best = np.argsort(-correlation, axis=1, kind="stable")[:, :count]
    weights = np.take_along_axis(correlation, best, axis=1).ravel()
    edges = np.stack([best.ravel(), np.arange(len(correlation)).repeat(count)])
    kept = weights >= least
    return torch.from_numpy(edges[:, kept]), torch.from_numpy(weights[kept]).float().clamp(min=0.05)


def as_weights(values: np.ndarray, whose: str) -> Tensor:
    """Weights as float32.

    Raises:
        ValueError: one is below 0 or not finite.
    """
    weights = torch.from_numpy(values).float()
    if not torch.isfinite(weights).all():
        raise ValueError(f"{whose} holds values that are NaN or infinite")
    if (weights < 0).any():
        raise ValueError(f"{whose} holds the weight {float(weights.min()):g}: expected none below 0")
    return weights


def _matrix_of(file: Path) -> tuple[list[str], np.ndarray]:
    """Names, if there are any, and the matrix of a .npy, .npz or of DCRNN's .pkl of (names, numbers, matrix)."""
    if file.suffix.lower() != ".pkl":
        return [], read_array(file, ("adj", "adjacency", "adj_mx", "A", "arr_0"))
    content: Any = read_pickle(file)
    if not isinstance(content, (list, tuple)) or len(content) != 3 or not isinstance(content[2], np.ndarray):
        raise ValueError(f"{file.name} holds something else than (names, numbers, matrix)")
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in content[0]]
    return names, content[2].astype(np.float64)
