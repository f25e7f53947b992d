"""The rows of a .csv file, and what stands in their fields."""

import csv
from collections.abc import Iterator
from pathlib import Path


def rows_of(path: Path) -> Iterator[list[str]]:
    """The rows of a .csv, but for empty lines.

    Raises:
        ValueError: the file is no text in UTF-8, or a quote in it is never closed.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            yield from (row for row in csv.reader(file) if row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path.name} is not readable as a .csv: {error}") from None


def is_blank(row: list[str]) -> bool:
    return not any(field.strip() for field in row)


def is_number(field: str) -> bool:
    try:
        float(field.strip() or "nan")
    except ValueError:
        return False
    return True
