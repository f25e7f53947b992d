"""Tables that a prediction leaves."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from graphreel.core.atomic_files import write_text


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a table whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return write_text(path, text.getvalue())


def write_classes(path: Path, what: str, names: Sequence[str], classes: Sequence[str], shares: Tensor) -> Path:
    """Write the likeliest class and the probabilities [N, classes] of N nodes, graphs or sequences by name."""
    header = [what, "class", *(f"p({name})" for name in classes)]
    best = shares.argmax(1).tolist()
    told = zip(names, best, shares.tolist(), strict=True)
    return write_csv(path, header, ([name, classes[b], *(f"{p:.6g}" for p in row)] for name, b, row in told))
