"""The values of sensors as a file gives them, before there are windows: a table, wide or long, on even steps."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from ..tables import LARGEST, SENSOR_NAMES, TIME_NAMES, Table, TableOptions, name_of, read_table
from .times import on_a_grid, read_times

_CHANNEL = re.compile(r"(.+)[:/](.+)")
_GAPS = (0.0, -1.0, -99.0, -999.0, -9999.0, 999.0, 9999.0, 99999.0)  # numbers that often stand for what is missing
_CELLS, _PER_ROW = 10_000_000, 50  # of a long table, from which a wide one of that size would hardly be filled


@dataclass(frozen=True)
class SeriesOptions(TableOptions):
    """What overrides that which is found out about a series.

    Attributes:
        missing: a value that also means missing, say 0.
        timezone: of times without an offset, such as Europe/Berlin.
        day_first: whether 01/02 is the first of February.
        duplicates: of rows of one time: mean, first, last or refuse.
        every: the length of a step, such as 1h, into which uneven rows are gathered by their mean.
        target: the channel that is forecast, of several; the first by default.
    """

    missing: float | None = None
    timezone: str | None = None
    day_first: bool | None = None
    duplicates: str = "mean"
    every: str | float | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        if self.duplicates not in ("mean", "first", "last", "refuse"):
            raise ValueError(f"duplicates must be mean, first, last or refuse, got {self.duplicates!r}")


@dataclass
class SensorValues:
    """What a file says of sensors.

    Attributes:
        values: float64 [time, nodes, channels], NaN where missing.
        nodes: their names, numbers where the file has none (`named` is False then).
        times: of the steps, datetime64[ns] or numbers, or None.
        channels: their names; the first is forecast.
        notes: what was found out, in sentences.
        edges: edge_index, edge_weight and edge_ptr (or None) where the file brings them.
    """

    values: np.ndarray
    nodes: list[str]
    named: bool = True
    times: np.ndarray | None = None
    channels: list[str] = field(default_factory=lambda: ["value"])
    notes: list[str] = field(default_factory=list)
    edges: tuple[Tensor, Tensor, Tensor | None] | None = None

    def settled(self, name: str, options: SeriesOptions) -> "SensorValues":
        """The same with the target first, and NaN for what means missing; numbers that look like gaps are noted.

        Raises:
            ValueError: no value is left, a sensor's name comes twice, or there is no such target.
        """
        (often, count), *_ = Counter(self.nodes).most_common(1)
        if count > 1:
            raise ValueError(f"{name} names the sensor {often!r} {count} times")
        if options.target is not None:
            if options.target not in self.channels:
                raise ValueError(f"{name} has no channel {options.target!r}: it has {', '.join(self.channels)}")
            first = self.channels.index(options.target)
            order = [first, *(c for c in range(len(self.channels)) if c != first)]
            self.values, self.channels = self.values[:, :, order], [self.channels[c] for c in order]
        self.values[~(np.abs(self.values) < LARGEST)] = np.nan
        if options.missing is not None:
            self.values[self.values == options.missing] = np.nan
        else:
            for gap in _GAPS:
                self._note_gaps(name, gap)
        if not np.isfinite(self.values[:, :, 0]).any():
            raise ValueError(f"{name} holds no values: all are missing")
        if len(self.channels) > 1:
            self.notes.append(f"{name}: {self.channels[0]} is forecast, the model reads {', '.join(self.channels)}")
        return self

    def _note_gaps(self, name: str, gap: float) -> None:
        """A number looks like a gap where a sensor goes to it, and comes back, by far more than it ever moves else."""
        values = self.values[:, :, 0]
        zero = values == gap
        if not zero.any():
            return
        known = np.where(zero, np.nan, np.abs(values - gap))
        moves = np.abs(np.diff(known, axis=0))
        into = np.where(zero[1:] & ~zero[:-1], known[:-1], np.nan)
        found = []
        for node in map(int, np.flatnonzero(zero.any(0) & np.isfinite(into).any(0) & np.isfinite(moves).any(0))):
            usual = np.nanpercentile(moves[:, node], 95)
            if np.nanmedian(into[:, node]) > 5 * usual and np.isfinite(usual):
                found.append((float(zero[:, node].mean()), self.nodes[node]))
        if found:
            share, worst = max(found)
            more = f", and so for {len(found) - 1} more sensors" if len(found) > 1 else ""
            what = "are zeros that look like gaps" if gap == 0 else f"are {gap:g}, which looks like a gap"
            self.notes.append(f"{name}: {share:.1%} of {worst} {what}{more}: --missing {gap:g} says they are missing")


def read_sensor_table(path: Path, options: SeriesOptions) -> SensorValues:
    """The sensors of a .csv, .tsv or .parquet.

    Wide: a column a sensor (or sensor:channel), with or without a column of times. Long: columns of time, sensor and
    one or more values, which are channels.

    Raises:
        ValueError: a field that is no number or no time, uneven steps, or rows that are doubled against the options.
    """
    table = read_table(path, options)
    width = table.frame.shape[1]
    column = _time_column(table)
    others = [place for place in range(width) if place not in (column or [])]
    if len(table.frame) < 2:
        raise ValueError(f"{path.name} has {len(table.frame) + table.named} rows: expected a series, [time x node]")
    if not others:
        raise ValueError(f"{path.name} has a column of times and no others: expected [time x node]")
    if column is None:
        values = np.stack([table.numbers(place) for place in others], axis=1)
        named = table.named
        nodes = [name_of(table.frame.columns[place]) if named else str(number) for number, place in enumerate(others)]
        return _channels_of(values, nodes, named, None, table.notes)
    times = _times(table, column, options)
    sensors = _sensor_column(table, others, times)
    if sensors is None:
        values = np.stack([table.numbers(place) for place in others], axis=1)
        nodes = [name_of(table.frame.columns[place]) if table.named else str(n) for n, place in enumerate(others)]
        found = _channels_of(values, nodes, table.named, times, table.notes)
    else:
        found = _pivoted(table, sensors, [place for place in others if place != sensors], times, options)
    return _even(found, path.name, options)


def _time_column(table: Table) -> list[int] | None:
    """The column of times, or those of dates and of times of day."""
    width = table.frame.shape[1]
    day, hour = table.find({"date", "datum", "day"}), table.find({"time", "hour", "zeit", "uhrzeit"})
    if day is not None and hour is not None:
        return [day, hour]
    named = table.find(TIME_NAMES)
    if named is not None and (width > 1 or not table.is_numeric(named)):
        return [named]
    if width > 1 and table.named and not str(table.frame.columns[0]).strip():
        return [0]
    return None if table.is_numeric(0) else [0]


def _times(table: Table, columns: list[int], options: SeriesOptions) -> np.ndarray:
    values = table.frame.iloc[:, columns[0]]
    for column in columns:
        missing = table.frame.iloc[:, column].isna().to_numpy()
        if missing.any():
            raise ValueError(f"row {table.row(int(missing.argmax()))} of {table.name} holds no time")
    if len(columns) == 2:
        values = values.astype("str") + " " + table.frame.iloc[:, columns[1]].astype("str")
    times, notes = read_times(values, table.name, options.day_first, options.timezone)
    table.notes += notes
    return times


def _sensor_column(table: Table, others: list[int], times: np.ndarray) -> int | None:
    """The column of sensors' names in a long table: one so called, or the only one of text, where times repeat."""
    if len(others) < 2 or len(np.unique(times)) == len(times):
        return None
    named = table.find(SENSOR_NAMES)
    texts = [place for place in others if not table.is_numeric(place)]
    return named if named in others else texts[0] if len(texts) == 1 else None


def _channels_of(
    values: np.ndarray, nodes: list[str], named: bool, times: np.ndarray | None, notes: list[str]
) -> SensorValues:
    """Values [time, columns] as [time, nodes, channels], where all names are sensor:channel."""
    pairs = [match.groups() for match in map(_CHANNEL.fullmatch, nodes) if match] if named else []
    sensors, channels = (list(dict.fromkeys(words)) for words in zip(*pairs, strict=True)) if pairs else ([], [])
    if len(pairs) < len(nodes) or len(channels) < 2 or len(set(pairs)) != len(sensors) * len(channels):
        return SensorValues(values[:, :, None], nodes, named, times, notes=notes)
    order = [pairs.index((sensor, channel)) for sensor in sensors for channel in channels]
    stacked = values[:, order].reshape(len(values), len(sensors), len(channels))
    return SensorValues(stacked, sensors, True, times, channels, notes)


def _pivoted(table: Table, sensors: int, others: list[int], times: np.ndarray, options: SeriesOptions) -> SensorValues:
    names = np.array(table.texts(sensors))
    nodes, node = np.unique(names, return_inverse=True)
    order = np.argsort([np.argmax(node == number) for number in range(len(nodes))])  # as they come in the file
    unique, step = np.unique(times, return_inverse=True)
    if len(unique) * len(nodes) > max(_CELLS, _PER_ROW * len(times)):
        raise ValueError(f"{table.name} has {len(times)} rows for {len(unique)} times of {len(nodes)} sensors")
    values = np.stack([table.numbers(place) for place in others], axis=1)
    wide = _gathered(values, step * len(nodes) + node, len(unique) * len(nodes), table.name, options, table.notes)
    wide = wide.reshape(len(unique), len(nodes), -1)[:, order]
    channels = [name_of(table.frame.columns[place]) for place in others] if table.named else ["value"]
    table.notes.append(f"{table.name} is long: {len(nodes)} sensors at {len(unique)} times in {len(times)} rows")
    return SensorValues(wide, nodes[order].tolist(), True, unique, channels, table.notes)


def _even(found: SensorValues, name: str, options: SeriesOptions) -> SensorValues:
    assert found.times is not None
    place, grid, notes = on_a_grid(found.times, name, options.every)
    found.notes += notes
    shape = (len(grid), *found.values.shape[1:])
    flat = found.values.reshape(len(found.values), -1)
    found.values = _gathered(flat, place, len(grid), name, options, found.notes).reshape(shape)
    found.times = grid
    return found


def _gathered(
    values: np.ndarray, place: np.ndarray, count: int, name: str, options: SeriesOptions, notes: list[str]
) -> np.ndarray:
    """Rows [rows, columns] put at their places [rows] among `count`; of rows of one place, what the options say."""
    doubled = len(place) - len(np.unique(place))
    out = np.full((count, values.shape[1]), np.nan)
    if not doubled:
        out[place] = values
        return out
    if options.every is None:
        if options.duplicates == "refuse":
            raise ValueError(f"{name} has {doubled} rows of a time that another row has, and --duplicates is refuse")
        how = {"mean": "their mean counts", "first": "the first counts", "last": "the last counts"}[options.duplicates]
        notes.append(f"{name}: {doubled} rows are of a time that another row has: {how} (--duplicates)")
    if options.every is None and options.duplicates != "mean":
        order = slice(None, None, -1 if options.duplicates == "first" else 1)
        out[place[order]] = values[order]
        return out
    known = np.isfinite(values)
    sums, counts = np.zeros_like(out), np.zeros_like(out)
    np.add.at(sums, place, np.where(known, values, 0.0))
    np.add.at(counts, place, known)
    return np.divide(sums, counts, out=out, where=counts > 0)
