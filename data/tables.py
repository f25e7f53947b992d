"""A table from a text or parquet file: separator, decimal sign and header are found out, said, and can be told."""

import csv
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from .text_files import read_text

SUFFIXES = {".csv", ".tsv", ".parquet"}
LARGEST = 3.4e38  # of single precision, in which a model reads: what is larger is missing
MISSING = {"", "-", "--", "?", "na", "n/a", "#n/a", "nan", "null", "none", "missing", "inf", "-inf", "nat"}
TIME_NAMES = {"time", "date", "datetime", "date_time", "timestamp", "t", "zeit", "datum", "ds", "utc"}
# words that are names of columns and no values, by what they name
SENSOR_NAMES = {"sensor", "sensor_id", "sensorid", "id", "node", "station", "detector", "unique_id", "item_id"}
SOURCE_NAMES, TARGET_NAMES = {"source", "from", "src", "u", "head"}, {"target", "to", "dst", "v", "tail"}
WEIGHT_NAMES, DISTANCE_NAMES = {"weight", "w", "value"}, {"distance", "dist", "cost", "length"}
LATITUDES, LONGITUDES = {"lat", "latitude"}, {"lon", "lng", "long", "longitude"}
LABEL_NAMES, SPLIT_NAMES = {"label", "class", "y", "category", "club"}, {"split", "set", "part"}
PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_WORDS = (
    TIME_NAMES | SENSOR_NAMES | SOURCE_NAMES | TARGET_NAMES | WEIGHT_NAMES | DISTANCE_NAMES | LATITUDES | LONGITUDES
)
_SAMPLE, _FIELDS = 1000, 20_000  # rows, and fields, that decide
_SEPARATORS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}
_GROUPED = r"[+-]?\d{1,3}(?:%s\d{3})+"


@dataclass(frozen=True)
class TableOptions:
    """What overrides that which is found out about a table.

    Attributes:
        header: whether the first row holds names.
        separator, decimal: the signs between fields and within numbers.
        encoding: of the text.
    """

    header: bool | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None


@dataclass
class Table:
    """The columns of a file: `frame` (numbers with NaN for what is missing, or text), whether it has names, notes."""

    name: str
    frame: Any
    named: bool
    notes: list[str] = field(default_factory=list)

    def numbers(self, column: int) -> Any:
        """A column as float64.

        Raises:
            ValueError: it holds a field that is no number.
        """
        values = self.frame.iloc[:, column]
        told = _numeric(values)
        bad = (told.isna() & values.notna()).to_numpy()
        if bad.any():
            at = int(bad.argmax())
            where = f"row {self.row(at)}, column {column + 1} of {self.name}"
            raise ValueError(f"{where} holds {str(values.iloc[at])[:40]!r}: expected a number")
        return told.to_numpy(dtype="float64", na_value=float("nan"), copy=True)

    def is_numeric(self, column: int) -> bool:
        """Whether most fields are numbers: one that is none among them is a fault, not a name or a time."""
        values = self.frame.iloc[:, column]
        return bool(2 * _numeric(values).notna().sum() >= values.notna().sum())

    def texts(self, column: int) -> list[str]:
        """A column as text, whole numbers without decimals, and "" where it is missing."""
        return ["" if value != value or value is None else name_of(value) for value in self.frame.iloc[:, column]]

    def row(self, place: int) -> int:
        """The number in the file of the row at a place of the frame."""
        return place + 1 + self.named

    def find(self, names: set[str]) -> int | None:
        """The first column whose name is one of these, or None."""
        columns = [str(column).strip().lower() for column in self.frame.columns] if self.named else []
        return next((place for place, column in enumerate(columns) if column in names), None)


def _numeric(values: Any) -> Any:
    import pandas

    try:
        return pandas.to_numeric(values, errors="coerce")
    except OverflowError:  # a whole number of hundreds of digits
        return values.map(lambda value: pandas.to_numeric(str(value) + ".", errors="coerce"))


def name_of(value: Any) -> str:
    """A name as text; a whole number has no decimals."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def read_table(path: Path, options: TableOptions = TableOptions()) -> Table:
    """Read a .csv, .tsv or .parquet.

    Raises:
        ValueError: no text, rows of different lengths, or a decimal sign that cannot be told.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    import pandas

    text, notes = read_text(path, options.encoding)
    separator = options.separator or find_separator(text)
    blank = r"\s" if len(separator) > 1 else rf"\s\"{re.escape(separator)}"
    text = re.sub(rf"\n[{blank}]*\Z", "\n", text)  # rows without a field at the end, as spreadsheets write them
    rows = list(islice(_rows(text, separator, path.name), _SAMPLE))
    if not rows:
        raise ValueError(f"{path.name} holds no rows: expected a table")
    fields = islice((field for row in rows for field in row), _FIELDS)
    decimal, thousands = _decimal([field.strip() for field in fields], path.name, options.decimal)
    header = options.header
    if header is None:
        header = _is_header(rows, decimal)
        if len(rows) > 1 and not re.search(r"[^\W\d]", "".join(rows[0])):  # numbers, which could be either
            taken = "names (--no-header takes it for values)" if header else "values (--header takes it for names)"
            notes.append(f"the first row of {path.name} is taken for {taken}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(
                StringIO(text), sep=separator, header=None, skiprows=_rows_before(text, separator, header),
                decimal=decimal, thousands=thousands, na_values=sorted(MISSING | {word.upper() for word in MISSING}),
                low_memory=False, skipinitialspace=True,
            )  # fmt: skip
    except pandas.errors.EmptyDataError:
        raise ValueError(f"{path.name} has {len(rows)} rows: expected names and values below") from None
    except (pandas.errors.ParserError, pandas.errors.ParserWarning, OverflowError, ValueError) as error:
        _check_widths(text, separator, path.name, header)
        raise ValueError(f"{path.name} is not readable as a table: {error}") from None
    names = [name.strip() for name in rows[0]] if header else [str(column) for column in frame.columns]
    if len(names) == frame.shape[1] - 1:  # as R writes the names of the rows
        names = ["", *names]
    if frame.shape[1] > 1 and len(names) == frame.shape[1] and header and not names[-1]:
        last = frame.iloc[:, -1]
        if last.isna().all():  # every row ends with a separator
            frame, names = frame.iloc[:, :-1], names[:-1]
    if len(names) != frame.shape[1] or frame.iloc[:, -1].isna().any():
        _check_widths(text, separator, path.name, header)
    frame.columns = names
    if separator != "," or decimal != ".":
        sign = {",": ", with decimal commas", ".": ""}[decimal]
        notes.append(f"{path.name}: fields are separated by {_SEPARATORS.get(separator, 'spaces')}{sign}")
    return Table(path.name, frame, bool(header), notes)


def _read_parquet(path: Path) -> Table:
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except ImportError:
        raise ValueError(f"{path.name} needs pyarrow: pip install 'graphreel[tables]'") from None
    except Exception as error:  # pyarrow's errors are many
        raise ValueError(f"{path.name} is not readable as parquet: {' '.join(str(error).split())[:200]}") from None
    if frame.index.name is not None or frame.index.dtype.kind == "M":
        frame = frame.reset_index(names=frame.index.name or "time")
    frame.columns = [name_of(column) for column in frame.columns]
    return Table(path.name, frame, True)


def _rows(text: str, separator: str, name: str) -> Iterator[list[str]]:
    """The rows of a text, but for empty lines; blank rows before the first with a field are left out."""
    lines = StringIO(text)
    rows = csv.reader(lines, delimiter=separator) if len(separator) == 1 else (line.split() for line in lines)
    begun = False
    try:
        for row in rows:
            begun = begun or any(field.strip() for field in row)
            if row and begun:
                yield row
    except csv.Error as error:
        raise ValueError(f"{name} is not readable as a table: {error}") from None


def _rows_before(text: str, separator: str, header: bool) -> int:
    """The lines before the first row of values."""
    blank = next((n for n, line in enumerate(StringIO(text)) if line.strip(f"{separator} \n\"'")), 0)
    return blank + bool(header)


def _check_widths(text: str, separator: str, name: str, header: bool) -> None:
    width = 0
    for number, row in enumerate(_rows(text, separator, name), start=1):
        if number == 1 or (number == 2 and header and len(row) == width + 1):
            width = len(row)
        elif len(row) != width and any(field.strip() for field in row):
            raise ValueError(f"row {number} of {name} has {len(row)} fields, but the first has {width}")


def find_separator(text: str) -> str:
    """The sign that cuts every line of a text into as many fields."""
    lines = [line for line in islice(StringIO(text), _SAMPLE) if line.strip()]
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines[:50], delimiter=separator) if row]
        if widths and min(widths) > 1 and max(widths) == sorted(widths)[len(widths) // 2]:
            return separator
    words = [line.split() for line in lines[:50]]
    aligned = len(set(map(len, words))) == 1 and len(words[0]) > 1
    if aligned and "," not in lines[0] and all(is_number(word) for row in words[1:] for word in row):
        return r"\s+"
    counts = {separator: sum(line.count(separator) for line in lines) for separator in (",", ";", "\t")}
    return max(counts, key=lambda separator: counts[separator])


def _decimal(fields: list[str], name: str, given: str | None) -> tuple[str, str | None]:
    """The decimal sign, and what groups thousands, if anything does."""
    commas = [f for f in fields if re.fullmatch(r"[+-]?[\d.]*,\d+(?:[eE][+-]?\d+)?", f)]
    points = [f for f in fields if re.fullmatch(r"[+-]?[\d,]*\.\d+(?:[eE][+-]?\d+)?", f)]
    only = {sign: all(re.fullmatch(_GROUPED % re.escape(sign), f) for f in found)
            for sign, found in ((",", commas), (".", points))}  # fmt: skip
    if given is not None:
        if given not in (",", "."):
            raise ValueError(f"decimal expects a comma or a point, got {given!r}")
        other = "." if given == "," else ","
        both = any(other in field for field in (commas if given == "," else points))
        return given, other if both or (only[other] and (points if given == "," else commas)) else None
    mixed = {sign: any(other in f for f in found) for sign, other, found in ((",", ".", commas), (".", ",", points))}
    if mixed[","] and not mixed["."] and (not points or only["."]):
        return ",", "."
    if mixed["."] and not mixed[","] and (not commas or only[","]):
        return ".", ","
    if commas and points:
        if only["."] and not only[","]:
            return ",", "."
        if only[","] and not only["."]:
            return ".", ","
        raise ValueError(f"{name} has numbers like {commas[0]!r} and like {points[0]!r}: give --decimal, either sign")
    return ("," if commas else "."), None


def is_number(field: str, decimal: str = ".") -> bool:
    """Whether a field is a number, or missing."""
    field = field.strip()
    if field.lower() in MISSING:
        return True
    if decimal == ",":
        field = field.replace(".", "").replace(",", ".")
    try:
        float(field)
    except ValueError:
        return False
    return True


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Names over values: a known word, a text over numbers or dates; or whole numbers that are numbers of nodes."""
    first, rest = [field.strip() for field in rows[0]], rows[1:21]
    if any(field.lower() in _WORDS for field in first) or not rest:
        return not all(is_number(field, decimal) for field in first)
    for place, name in enumerate(first):
        below = [row[place] for row in rest if place < len(row) and row[place].strip()]
        numeric = bool(below) and all(is_number(field, decimal) or field.strip()[:1].isdigit() for field in below)
        if name and numeric and not is_number(name, decimal) and not name[:1].isdigit():
            return True
    start = int(not first[0])
    names = first[start:]
    if not names or not all(re.fullmatch(r"\d+(\.0+)?", name) for name in names) or len(set(names)) < len(names):
        return False
    if start and all(row[0].strip() for row in rest):
        return True  # an empty corner
    numbers = [int(float(name)) for name in names]
    fields = [f.strip() for row in rest for f in row[start:] if f.strip() and is_number(f, decimal)]
    values = [
        float(f.replace(",", ".")) for f in fields if f.lower() not in MISSING and f.count(",") + f.count(".") < 2
    ]
    if len(names) < 2 or not values:
        return False
    counted = numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] in (0, 1)
    if all(value.is_integer() for value in values):  # counts: numbers of nodes are of quite another size
        return (counted and numbers != [int(v) for v in values[: len(numbers)]]) or min(numbers) >= 100 * max(values)
    return counted or min(numbers) > 1.5 * max(values) or 1.5 * max(numbers) < min(values)
