"""curves.png: figures over steps, every seed thin, their mean thick, the chance level drawn in."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from graphreel.core.atomic_files import write_whole
from graphreel.core.labels import plain

# Okabe and Ito's palette, told apart by colour-blind readers (jfly.uni-koeln.de/color)
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_STYLES = ("--", ":", "-.")  # of several levels in one panel
_COLOURS = (BLUE, ORANGE, GREEN)


def draw_curves(
    history: Sequence[Mapping[str, Any]],
    panels: Mapping[str, Sequence[str]],
    path: Path,
    title: str,
    levels: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """Draw one panel per entry of `panels`: its axis label -> the columns of the history that it shows.

    Args:
        levels: axis label -> {name: value}: horizontal lines such as the chance level.
    """
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    figure.suptitle(plain(title))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (label, columns) in zip(axes, panels.items(), strict=True):
        for column, colour in zip(columns, _COLOURS, strict=False):
            _draw_column(axis, history, column, colour)
        for (name, value), style in zip((levels or {}).get(label, {}).items(), cycle(_STYLES), strict=False):
            axis.axhline(value, color=GREY, linestyle=style, linewidth=1.2, label=f"{name} {value:.3g}")
        axis.set_xlabel("step")
        axis.set_xlim(left=0)
        axis.set_ylabel(label)
        if "accuracy" in label:
            axis.set_ylim(-0.02, 1.02)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False, fontsize=9)
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=150))


def _draw_column(axis: Axes, history: Sequence[Mapping[str, Any]], column: str, colour: str) -> None:
    seeds: dict[int, list[tuple[int, float]]] = {}
    for row in history:
        if row.get(column) is not None:
            seeds.setdefault(row["seed"], []).append((row["step"], row[column]))
    if not seeds:
        return
    lines = [np.array(points).T for points in seeds.values()]
    label = column.replace("_", " ")
    if len(lines) == 1:
        axis.plot(*lines[0], color=colour, linewidth=1.6, label=label)
        return
    for steps, values in lines:
        axis.plot(steps, values, color=colour, linewidth=0.8, alpha=max(0.06, min(0.5, 2 / len(lines))))
    # a seed that stopped early keeps its last value, so that the mean stays one over all seeds
    grid = np.unique(np.concatenate([steps for steps, _ in lines]))
    table = np.stack([np.interp(grid, steps, values) for steps, values in lines])
    mean, spread = table.mean(0), table.std(0, ddof=1)
    axis.plot(grid, mean, color=colour, linewidth=1.8, label=f"{label}, mean of {len(lines)}")
    axis.fill_between(grid, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
