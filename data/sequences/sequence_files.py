"""Sequences of different length out of files: a table, JSON lines, arrays, or a folder of texts by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..npy_files import read_npz
from ..tables import LABEL_NAMES, LARGEST, SENSOR_NAMES, SPLIT_NAMES, TIME_NAMES, find_separator
from ..text_files import json_lines, read_text
from .sequence_cells import TEXTS, TOKENS, VALUES, is_number, numbers_of, sequences_of_cells, text_of, trimmed

_GROUPS = {"group", "groups", "subject", "recording", "speaker"}
_ARRAYS = ("values", "tokens", "sequences", "x", "X", "data")  # the first that is there counts
_BESIDE = {"lengths", "offsets", "labels", "label", "y", "classes", "class_names"} | SPLIT_NAMES | _GROUPS
_IDS = SENSOR_NAMES | {"series_id", "sequence_id", "sequence", "series", "case", "sample", "case_id", "sample_id"}
_ORDER = TIME_NAMES | {"step", "order", "position", "index", "frame", "dim_step"}


@dataclass(frozen=True)
class Columns:
    """Which column holds what, by name; "" is found out. `sequence` may be several with commas between."""

    sequence: str = ""
    label: str = ""
    split: str = ""
    group: str = ""
    id: str = ""
    order: str = ""


@dataclass
class RawSequences:
    """What a file holds, before it is numbered and scaled.

    Attributes:
        name: of the file.
        read: one of `READS`.
        items: lists of symbols, or for numbers arrays [steps, features].
        labels, split, groups: of each sequence, "" where missing; None where the file has none.
        names: of each sequence.
        columns: of a table, those that were read.
        notes: what was found out, in sentences.
    """

    name: str
    read: str
    items: list[Any]
    labels: list[str] | None = None
    split: list[str] | None = None
    groups: list[str] | None = None
    names: list[str] = field(default_factory=list)
    columns: Columns = Columns()
    notes: list[str] = field(default_factory=list)


def read_sequences(
    path: Path, columns: Columns = Columns(), read: str = "", encoding: str | None = None
) -> RawSequences:
    """Read a .csv, .tsv, .parquet, .jsonl, .npz, a .txt with a sequence a line, or a folder with one folder per class.

    Args:
        read: one of `READS`; "" is found out and said.

    Raises:
        ValueError: it holds no sequences, or lacks a column that is asked for.
    """
    path = Path(path)
    if path.is_dir():
        raw = _folder(path, read, encoding)
    elif path.suffix.lower() == ".npz":
        raw = _arrays(path, read)
    else:
        table, notes = _table(path, encoding)
        raw = _of_table(path.name, table, columns, read)
        raw.notes = notes + raw.notes
    raw.names = raw.names or [str(number) for number in range(1, len(raw.items) + 1)]
    if raw.read == "numbers":
        raw.items = [np.where(np.abs(item) < LARGEST, item, np.nan) for item in raw.items]
    if not raw.items:
        raise ValueError(f"{path.name} holds no sequences")
    return raw


def _table(path: Path, encoding: str | None) -> tuple[dict[str, list[Any]], list[str]]:
    """The columns of a file by name: text as it stands, or JSON's values."""
    import pandas

    if path.suffix.lower() == ".parquet":
        frame = pandas.read_parquet(path)
        return {str(name): frame[name].tolist() for name in frame.columns}, []
    text, notes = read_text(path, encoding)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return json_lines(text, path.name), notes
    if path.suffix.lower() not in (".csv", ".tsv"):
        return {"text": [line for line in text.split("\n") if line.strip()]}, notes
    separator = find_separator(text)
    try:
        frame = pandas.read_csv(StringIO(text), sep=separator, dtype=str, na_filter=False, header=None)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} is not readable as a table: {str(error).strip()}") from None
    first = [str(cell).strip() for cell in frame.iloc[0]]
    if all(is_number(cell) for cell in first):  # as UCR's archive comes: a class, then the values
        notes.append(f"{path.name} has no names of columns: the first is taken for the class, the others for values")
        first = ["label", *map(str, frame.columns[1:])]
    else:
        frame = frame.iloc[1:]
    return {name: frame[place].tolist() for place, name in enumerate(first)}, notes


def _of_table(name: str, table: Mapping[str, list[Any]], columns: Columns, read: str) -> RawSequences:
    def find(what: str, known: set[str], among: Sequence[str] = tuple(table)) -> str | None:
        asked = getattr(columns, what)
        if asked and asked not in table and what != "label":  # which a file to be predicted may lack
            raise ValueError(f"{name} has no column {asked!r} for --{what}: it has {', '.join(table)}")
        if asked:
            return asked if asked in table else None
        found = [key for key in among if key.strip().lower() in known]
        return min(found, key=lambda key: key == "y", default=None)  # beside a label, y is a feature

    known = {"label": LABEL_NAMES, "split": SPLIT_NAMES, "group": _GROUPS}
    special = {what: find(what, words) for what, words in known.items()}
    rest = [key for key in table if key not in special.values()]
    key = find("id", _IDS, rest)
    order = find("order", _ORDER, rest)
    each = len(table[key]) / len(set(map(str, table[key]))) if key is not None else 1.0  # rows of an id
    in_rows = each > 1 and (each >= 2 or order is not None) and bool(set(rest) - {key, order})
    if not in_rows:
        key = None if key is not None and not columns.id and key.lower() in TOKENS | VALUES else key
        order = None
    rest = [one for one in rest if one not in (key, order)]
    chosen = _chosen(name, table, columns.sequence, rest, in_rows)
    notes = [f"{name}: the sequences are read from {', '.join(chosen[:5])}{', ...' * (len(chosen) > 5)}"]

    of = {
        what: None if column is None else [text_of(value) for value in table[column]]
        for what, column in special.items()
    }
    names = [] if key is None else [text_of(value) for value in table[key]]
    if in_rows:
        rows = _rows_by_id(names, None if order is None else table[order])
        notes[0] += f", a row a step, by {key}{f' and {order}' if order else ', in the order of the file'}"
        of = {what: values and _one_each(values, rows, name, what) for what, values in of.items()}
        numeric = all(is_number(value) for column in chosen for value in table[column])
        if not numeric and len(chosen) > 1:
            raise ValueError(f"{name} has columns {', '.join(chosen)}: give --sequence, numbers or one of symbols")
        read, names = read or ("numbers" if numeric else "tokens"), list(rows)
        steps = [[[table[column][row] for column in chosen] for row in own] for own in rows.values()]
        items = [numbers_of(one, name) if read == "numbers" else [text_of(step[0]) for step in one] for one in steps]
    elif len(chosen) > 1:
        values = zip(*(table[column] for column in chosen), strict=True)
        read, items = "numbers", [trimmed(numbers_of(row, name)) for row in values]
    else:
        read, items = sequences_of_cells(table[chosen[0]], chosen[0].strip().lower(), name, read)
        notes[0] += f" by {read} (--read)"
    read_from = Columns(
        ",".join(chosen), **{what: column or "" for what, column in special.items()}, id=key or "", order=order or ""
    )
    return RawSequences(name, read, items, of["label"], of["split"], of["group"], names, read_from, notes)


def _chosen(name: str, table: Mapping[str, list[Any]], asked: str, rest: list[str], in_rows: bool) -> list[str]:
    """The columns that hold the sequences."""
    if asked:
        found = [one.strip() for one in asked.split(",")]
        missing = next((one for one in found if one not in table), None)
        if missing is not None:
            raise ValueError(f"{name} has no column {missing!r} for --sequence: it has {', '.join(table)}")
        return found
    numeric = [key for key in rest if all(is_number(value) for value in islice(table[key], 1000))]
    if in_rows and numeric:
        return numeric
    known = next((key for known in (TEXTS, TOKENS, VALUES) for key in rest if key.strip().lower() in known), None)
    if known is not None:
        return [known]
    if len(rest) == 1:
        return rest
    if len(numeric) > 1:
        return numeric
    raise ValueError(f"{name} has the columns {', '.join(table)}: --sequence says which holds the sequences")


def _rows_by_id(ids: list[str], order: list[Any] | None) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(ids):
        rows.setdefault(one, []).append(row)
    if order is not None:
        numeric = all(is_number(value) for value in order)
        for own in rows.values():
            own.sort(key=lambda row: float(order[row]) if numeric else str(order[row]))
    return rows


def _one_each(values: list[str], rows: Mapping[str, list[int]], name: str, what: str) -> list[str]:
    found = []
    for one, own in rows.items():
        different = sorted({values[row] for row in own} - {""})
        if len(different) > 1:
            raise ValueError(f"{name} gives the sequence {one} several values of {what}: {', '.join(different[:3])}")
        found.append(different[0] if different else "")
    return found


def _arrays(path: Path, read: str) -> RawSequences:
    """`values` or `tokens` [N, T], [N, T, F] (with `lengths`), or laid end to end with `lengths` or `offsets`."""

    def known(members: list[str]) -> list[str]:
        if not set(_ARRAYS) & set(members):
            raise ValueError(f"it holds {', '.join(members[:9])}: expected values or tokens, with lengths and labels")
        return [name for name in members if name in _ARRAYS or name in _BESIDE]

    held = read_npz(path, known)
    key = next(name for name in _ARRAYS if name in held)
    values, name = held[key], path.name
    whole = values.dtype.kind in "iuU" and key != "values" and values.ndim < 3
    read = read or ("tokens" if key == "tokens" or whole else "numbers")
    lengths = held.get("lengths")
    if "offsets" in held:
        lengths = np.diff(np.append(held["offsets"], len(values)))
        lengths = lengths[:-1] if len(held["offsets"]) > 1 and held["offsets"][-1] == len(values) else lengths
    labels = next((held[one] for one in ("labels", "label", "y") if one in held), None)
    count = len(labels) if labels is not None else len(values) if lengths is None else len(lengths)
    laid = lengths is not None and ("offsets" in held or len(values) != count or values.ndim == 1)
    if lengths is not None and (len(lengths) != count or lengths.min() < 0 or (laid and lengths.sum() != len(values))):
        raise ValueError(
            f"{name} has {key} of shape {list(values.shape)}, {len(lengths)} lengths of {int(lengths.sum())} steps "
            f"together and {count} labels: they do not fit one another"
        )
    if not laid and (len(values) != count or values.ndim < 2):
        raise ValueError(
            f"{name} has {key} of shape {list(values.shape)} for {count} labels: expected [N, T] or [N, T, F]"
        )
    if laid:
        parts = np.split(values, np.cumsum(np.asarray(lengths))[:-1])
    else:
        parts = [row if lengths is None else row[: lengths[place]] for place, row in enumerate(values)]
    if read == "numbers":
        items: list[Any] = [trimmed(np.asarray(part, dtype=np.float64).reshape(len(part), -1)) for part in parts]
    else:
        items = [[text_of(value) for value in part.tolist()] for part in parts]
    classes = next((held[one] for one in ("classes", "class_names") if one in held), None)
    if labels is not None and classes is not None:
        labels = classes[labels]

    def names_of(known: set[str]) -> list[str] | None:
        found = next((held[one] for one in sorted(known) if one in held), None)
        return None if found is None else [text_of(value) for value in found.tolist()]

    told = None if labels is None else [text_of(value) for value in labels.tolist()]
    notes = [f"{name}: {key} are read as {read} (--read)"]
    return RawSequences(name, read, items, told, names_of(SPLIT_NAMES), names_of(_GROUPS), notes=notes)


def _folder(path: Path, read: str, encoding: str | None) -> RawSequences:
    """FOLDER/CLASS/FILE, or FOLDER/train/CLASS/FILE and FOLDER/test/CLASS/FILE."""
    parts = [part for part in ("train", "val", "valid", "test") if (path / part).is_dir()]
    places = [(part, path / part) for part in parts] if "train" in parts else [("", path)]
    texts, labels, split, names, notes = [], [], [], [], []
    for part, place in places:
        for folder in sorted(one for one in place.iterdir() if one.is_dir() and one.name[0] != "."):
            for file in sorted(one for one in folder.rglob("*") if one.is_file() and one.name[0] != "."):
                text, told = read_text(file, encoding)
                notes += told
                texts.append(text)
                labels.append(folder.name)
                split.append(part)
                names.append(str(file.relative_to(path)))
    read, items = sequences_of_cells(texts, "text", path.name, read)
    notes.append(f"{path.name}: a folder of texts for each class, read by {read} (--read)")
    return RawSequences(path.name, read, items, labels, split if "train" in parts else None, None, names, notes=notes)
