"""The classes of a long video over its time: parts of one class, and a picture of all windows."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from graphreel.core.atomic_files import write_whole
from graphreel.core.labels import plain


def segments(rows: Sequence[Any]) -> Iterator[tuple[list[Any], float, float]]:
    """Windows of a video one after the other with the same likeliest class, from when to when, in seconds.

    Every row that is no window is for itself.
    """

    def kind(numbered: tuple[int, Any]) -> Any:
        number, row = numbered
        best = None if row.shares is None else int(row.shares.argmax())
        return (number,) if row.start is None else (row.file, best)

    edges = borders(rows)
    for _, part in groupby(enumerate(rows), key=kind):
        numbered = list(part)
        yield [row for _, row in numbered], edges[numbered[0][0]], edges[numbered[-1][0] + 1]


def borders(rows: Sequence[Any]) -> list[float]:
    """Where one window ends and the next begins, half-way between their middles: they overlap."""
    times = [(0.0, 0.0) if row.start is None else (row.start, row.stop) for row in rows]
    middles = [(start + stop) / 2 for start, stop in times]
    between = [(one + other) / 2 for one, other in pairwise(middles)]
    return [times[0][0], *between, times[-1][1]]


def clock(seconds: float) -> str:
    """A time as minutes, seconds and tenths."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def draw_timeline(rows: Sequence[Any], classes: Sequence[str], path: Path, title: str) -> Path:
    """Draw the probability of every class over time, and mark the likeliest; windows without people stay empty."""
    edges = borders(rows)
    shares = np.full((len(classes), len(rows)), np.nan)
    for number, row in enumerate(rows):
        if row.shares is not None:
            shares[:, number] = row.shares.numpy()
    figure = Figure(figsize=(10, 1.6 + 0.32 * len(classes)), layout="constrained")
    axis = figure.subplots()
    drawn = axis.pcolormesh(edges, np.arange(len(classes) + 1), shares, cmap="Blues", vmin=0, vmax=1)
    for number, row in enumerate(rows):
        if row.shares is not None:
            best = int(row.shares.argmax()) + 0.5
            axis.plot(edges[number : number + 2], [best, best], color="#D55E00", linewidth=2.5, solid_capstyle="butt")
    axis.set_yticks(np.arange(len(classes)) + 0.5, [plain(name) for name in classes])
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    axis.set_xlabel("time (minutes:seconds); orange: the likeliest class")
    axis.set_title(plain(title), fontsize=10)
    figure.colorbar(drawn, ax=axis, label="probability", pad=0.01)
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=120))
