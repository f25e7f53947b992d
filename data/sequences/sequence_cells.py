"""Cells of a file as sequences: words, characters, tokens or numbers, as they are told or found out."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..tables import MISSING

READS = ("characters", "words", "tokens", "numbers")
TEXTS = {"text", "texts", "sentence", "review", "content", "document", "message", "body", "title", "word"}
TOKENS = {"tokens", "sequence", "symbols", "dna", "rna", "protein", "smiles", "events", "items"}
VALUES = {"values", "value", "signal", "numbers", "series", "x"}
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_WORDS_FROM = 4  # words of a text in the mean, from which it is read by words


def sequences_of_cells(cells: list[Any], column: str, name: str, read: str) -> tuple[str, list[Any]]:
    """How to read cells each of which is a whole sequence, and the sequences."""
    lists = [_list(cell) for cell in cells]
    if all(one is not None for one in lists):
        flat = [value for one in islice(lists, 100) for value in one or ()]
        whole = all(isinstance(value, str) or (isinstance(value, int) and column not in VALUES) for value in flat)
        read = read or ("tokens" if whole else "numbers")
        if read == "numbers":
            return read, [numbers_of(one or [], name) for one in lists]
        return read, [[text_of(value) for value in one or []] for one in lists]
    texts = [text_of(cell) for cell in cells]
    if not read:
        parts = [_parts(text) for text in texts[:1000]]
        values = [part for one in parts for part in one]
        numeric = column not in TEXTS and bool(values) and all(is_number(part) for part in values)
        if numeric and (column in VALUES or not all(part.lstrip("-").isdigit() for part in values)):
            read = "numbers"
        elif numeric or column in TOKENS:
            read = "tokens" if len(values) > len(parts) else "characters"
        else:
            read = "words" if sum(len(text.split()) for text in texts) >= _WORDS_FROM * len(texts) else "characters"
    if read == "numbers":
        return read, [numbers_of(_parts(text), name) for text in texts]
    cut: dict[str, Callable[[str], list[str]]] = {"characters": list, "tokens": _parts, "words": _words}
    return read, [cut[read](text) for text in texts]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,;|]+", text) if part]


def _list(cell: Any) -> list[Any] | None:
    """A cell that is a list, or text that is one in JSON."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    return cell.tolist() if isinstance(cell, np.ndarray) else cell if isinstance(cell, list) else None


def numbers_of(item: Sequence[Any], name: str) -> np.ndarray:
    """Numbers [steps, features] from a list of numbers, or of lists of them; NaN where missing."""
    rows = [one if isinstance(one, list) else [one] for one in item]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{name} has steps of {len(rows[0])} and of other numbers of values: expected as many in all")
    found = np.array([[_number(value, name) for value in row] for row in rows], dtype=np.float64)
    return found.reshape(len(rows), -1) if rows else np.empty((0, 0))


def _number(value: Any, name: str) -> float:
    if not is_number(value):
        raise ValueError(f"{name} holds {str(value)[:40]!r}, expected a number: --read says what its sequences are")
    return float("nan") if value is None or str(value).strip().lower() in MISSING else float(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number, or missing."""
    try:
        return value is None or str(value).strip().lower() in MISSING or float(value) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False


def text_of(value: Any) -> str:
    """A value as text, "" where it is missing."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def trimmed(item: np.ndarray) -> np.ndarray:
    """Without the steps at the end that hold nothing."""
    there = np.flatnonzero(~np.isnan(item).all(1))
    return item[: there[-1] + 1 if len(there) else 0]
