"""Edges a chunk at a time: of a .npy, a table, OGB's folder or a graph in memory."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...tables import SOURCE_NAMES, TARGET_NAMES, WEIGHT_NAMES, find_separator, is_number
from .external_sort import CHUNK, Array, Chunk

TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
_SPARSE = 10  # times as many numbers as edges: they are names


@dataclass
class EdgeStream:
    """Edges that can be read several times.

    Attributes:
        chunks: the edges from the beginning: sources, targets and further columns, in int64 and float32.
        num_nodes: above every number of a node that they hold.
        names: of the nodes, where they are called by names.
        notes: what was found out.
    """

    chunks: Callable[[], Iterator[Chunk]]
    num_nodes: int
    names: Array | None = None
    notes: list[str] = field(default_factory=list)


def array_stream(path: Path) -> EdgeStream:
    """The edges of an edge_index [2, E], or [E, 2], in a .npy.

    Raises:
        ValueError: it is of another shape, or holds no numbers of nodes.
    """
    try:
        edges: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if edges.ndim != 2 or 2 not in edges.shape or edges.dtype.kind not in "iu" or not edges.size:
        raise ValueError(f"{path} holds {edges.dtype} {list(edges.shape)}, expected whole numbers [2, edges]")
    notes = []
    if edges.shape[0] != 2:
        edges, notes = edges.T, [f"{path.name} is read as one edge a row: source, target"]
    stream = EdgeStream(lambda: _slices(edges[0], edges[1], {}), 0, notes=notes)
    stream.num_nodes = _count_nodes(stream.chunks(), path.name)
    return stream


def memory_stream(edge_index: Array, attributes: dict[str, Array], num_nodes: int) -> EdgeStream:
    """The edges of a graph in memory."""
    return EdgeStream(lambda: _slices(edge_index[0], edge_index[1], attributes), num_nodes)


def table_stream(path: Path, work: Path, num_nodes: int = 0) -> EdgeStream:
    """The edges of a .csv, .tsv, .txt (also as .gz) or .parquet, which are laid down in a folder as numbers first.

    The columns source and target, or the first two, are numbers of nodes, or names where one of them is no number or
    they are far apart; one further column, or one that is called weight, is edge_weight, several are edge_attr.

    Args:
        num_nodes: where it is known, so that every number has to be below it.

    Raises:
        ValueError: a row lacks an end, or holds what is no number where one is expected.
    """
    plan = _parquet_columns(path) if path.suffix.lower() == ".parquet" else _text_columns(path)
    ready, names_file, values_name = work / "spooled.npy", work / "names.npy", plan.values
    if not ready.is_file():
        work.mkdir(exist_ok=True)
        try:
            names = _spool(plan, work, numbers=True)
        except _Names:
            if num_nodes:
                raise ValueError(f"{path.name} calls nodes by names: with --x or --y, numbers of rows do") from None
            names = _spool(plan, work, numbers=False)
        if names is not None:
            np.save(names_file, names)
        np.save(ready, np.zeros(0))
    ends = {side: np.memmap(work / side, np.int64, "r") for side in ("source", "target")}
    attributes: dict[str, Array] = {}
    if values_name:
        values = np.memmap(work / "values", np.float32, "r")
        attributes[values_name] = values if values_name == "edge_weight" else values.reshape(ends["source"].size, -1)

    def chunks() -> Iterator[Chunk]:
        return _slices(ends["source"], ends["target"], attributes)

    if names_file.is_file():
        names = np.load(names_file)
        note = f"{path.name} calls {len(names):,} nodes by name, which are numbered as they come"
        return EdgeStream(chunks, len(names), names, [note])
    stream = EdgeStream(chunks, _count_nodes(chunks(), path.name))
    if not num_nodes and stream.num_nodes > _SPARSE * ends["source"].size + 1000:
        return _renumbered(stream, path.name)
    return stream


def _renumbered(stream: EdgeStream, name: str) -> EdgeStream:
    """Numbers that are far apart are names."""
    given, known = stream.chunks, np.zeros(0, np.int64)
    for source, target, _ in given():
        known = np.unique(np.concatenate([known, source, target]))

    def chunks() -> Iterator[Chunk]:
        for source, target, more in given():
            yield np.searchsorted(known, source), np.searchsorted(known, target), more

    note = f"the numbers of nodes in {name} reach {known[-1]:,}: they are taken for names of {known.size:,} nodes"
    return EdgeStream(chunks, known.size, known.astype(f"S{len(str(known[-1]))}"), [note])


def _slices(source: Array, target: Array, attributes: dict[str, Array]) -> Iterator[Chunk]:
    for first in range(0, len(source), CHUNK):
        piece = slice(first, first + CHUNK)
        more = {name: np.ascontiguousarray(values[piece]) for name, values in attributes.items()}
        yield np.ascontiguousarray(source[piece]), np.ascontiguousarray(target[piece]), more


def _count_nodes(chunks: Iterator[Chunk], name: str) -> int:
    most = -1
    for source, target, _ in chunks:
        least = int(min(source.min(), target.min()))
        if least < 0:
            raise ValueError(f"{name} holds node {least}, expected numbers from 0")
        most = max(most, int(source.max()), int(target.max()))
    return most + 1


@dataclass
class _Columns:
    """Where a table's ends and values are: `read(numbers)` yields frames of them, in that order."""

    read: Callable[[bool], Iterator[Any]]
    values: str
    name: str
    first_row: int


class _Names(Exception):
    """An end of an edge is no number."""


def _chosen(columns: list[str], named: bool) -> tuple[list[int], str]:
    """Places of source, target and the rest, and what the rest is called."""
    words = [column.strip().lower() for column in columns]
    ends = [[place for place, word in enumerate(words) if word in known] for known in (SOURCE_NAMES, TARGET_NAMES)]
    source, target = (ends[0][0], ends[1][0]) if named and all(ends) else (0, 1)
    rest = [place for place in range(len(columns)) if place not in (source, target)]
    weight = len(rest) == 1 and (not named or words[rest[0]] in WEIGHT_NAMES)
    return [source, target, *rest], "edge_weight" if weight else "edge_attr" if rest else ""


def _text_columns(path: Path) -> _Columns:
    import pandas

    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:  # type: ignore[operator]
            head = list(islice(file, 1000))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{path.name} is no text: {error}") from None
    comments = next((n for n, line in enumerate(head) if line.strip() and not line.startswith(("#", "%"))), len(head))
    lines = head[comments:]
    if not lines:
        raise ValueError(f"{path.name} holds no rows: expected source and target")
    separator = find_separator("".join(lines))
    rows = [line.split(None if len(separator) > 1 else separator) for line in lines[:2]]
    first = [field.strip().strip('"') for field in rows[0]]
    if len(first) < 2:
        raise ValueError(f"{path.name} has one column: expected source and target")
    known = SOURCE_NAMES | TARGET_NAMES | WEIGHT_NAMES
    named = any(field.lower() in known for field in first)
    if len(rows) > 1 and not named:
        named = any(not is_number(a) and is_number(b.strip()) for a, b in zip(first, rows[1], strict=False))
    places, values = _chosen(first, named)

    def read(numbers: bool) -> Iterator[Any]:
        said: Any = {} if numbers else {"dtype": dict.fromkeys(places[:2], str)}
        try:
            frames = pandas.read_csv(
                path, sep=separator, header=None, skiprows=comments + named, usecols=sorted(places), chunksize=CHUNK,
                low_memory=False, skipinitialspace=True, encoding="utf-8-sig", na_filter=numbers, **said,
            )  # fmt: skip
            with frames:
                for frame in frames:
                    yield frame[places]
        except pandas.errors.EmptyDataError:
            raise ValueError(f"{path.name} holds no rows below the names of its columns") from None
        except (pandas.errors.ParserError, UnicodeDecodeError, EOFError) as error:
            raise ValueError(f"{path.name} is not readable as a table: {' '.join(str(error).split())}") from None

    return _Columns(read, values, path.name, comments + named + 1)


def _parquet_columns(path: Path) -> _Columns:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError(f"{path.name} needs pyarrow: pip install 'graphreel[tables]'") from None
    try:
        file = parquet.ParquetFile(path)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path.name} is not readable as parquet: {' '.join(str(error).split())[:200]}") from None
    columns = file.schema_arrow.names
    if len(columns) < 2:
        raise ValueError(f"{path.name} has {len(columns)} columns: expected source and target")
    places, values = _chosen(columns, True)

    def read(numbers: bool) -> Iterator[Any]:
        for batch in file.iter_batches(CHUNK, columns=[columns[place] for place in places]):
            frame = batch.to_pandas()[[columns[place] for place in places]]
            frame.columns = places
            yield frame

    return _Columns(read, values, path.name, 1)


def _spool(plan: _Columns, work: Path, numbers: bool) -> Array | None:
    """Lay the columns down as numbers; return the names of the nodes if they are called by names."""
    import pandas

    place_of: dict[str, int] = {}
    row = plan.first_row
    for left in work.iterdir():
        left.unlink()
    opened = [(work / name).open("wb") for name in ("source", "target", "values")]
    with opened[0] as s, opened[1] as t, opened[2] as v:
        for frame in plan.read(numbers):
            for column, file in zip(frame.columns[:2], (s, t), strict=True):
                ends = frame[column]
                missing = (ends.isna() | (ends == "")).to_numpy()
                if missing.any():
                    raise ValueError(f"row {row + int(missing.argmax())} of {plan.name} lacks the end of an edge")
                if numbers:
                    if ends.dtype.kind not in "iu":
                        raise _Names
                    found = ends.to_numpy(np.int64)
                else:
                    codes, uniques = pandas.factorize(ends.astype(str).str.strip())
                    places = [place_of.setdefault(name, len(place_of)) for name in uniques]
                    found = np.array(places, np.int64)[codes]
                file.write(found.data)
            if plan.values:
                try:
                    values = frame.iloc[:, 2:].to_numpy(np.float32)
                except ValueError as error:
                    raise ValueError(f"the rows from {row} on of {plan.name} hold what is no number: {error}") from None
                if not np.isfinite(values).all():
                    wrong = row + int((~np.isfinite(values)).any(1).argmax())
                    raise ValueError(f"row {wrong} of {plan.name} lacks a number")
                v.write(np.ascontiguousarray(values).data)
            row += len(frame)
    if row == plan.first_row:
        raise ValueError(f"{plan.name} holds no edges")
    return None if numbers else np.array([name.encode() for name in place_of])
