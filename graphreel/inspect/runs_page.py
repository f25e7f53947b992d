"""All runs of a folder as one page: tables to sort, curves over seeds, two runs side by side."""

import csv
import json
import os
from pathlib import Path
from string import Template
from typing import Any

from graphreel.core.atomic_files import write_text
from graphreel.inspect.compare_runs import compare_runs
from graphreel.inspect.run_table import RunEntry, runs_below

_MOST_POINTS = 200  # of one seed's curve


def write_runs_page(folder: Path, out: Path | None = None) -> Path:
    """Write the page of all runs below a folder; it asks nothing of any network.

    Args:
        out: the page; left out, runs.html in the folder. Pictures are linked as they lie from there.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is no run below it.
    """
    runs = runs_below(folder)
    if not runs:
        raise ValueError(f"no run below {folder}")
    page = out or folder / "runs.html"
    data = {
        "folder": str(folder),
        "runs": [_described(run, page.resolve().parent) for run in runs],
        "compared": _compared(runs),
    }
    template = (Path(__file__).parent / "pages" / "runs.html").read_text(encoding="utf-8")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, Template(template).substitute(data=json.dumps(data).replace("<", "\\u003c")))
    return page


def _described(entry: RunEntry, base: Path) -> dict[str, Any]:
    metrics = entry.metrics
    baselines = {
        name: value.get("test_rmse") if isinstance(value, dict) else value
        for name, value in metrics.get("baselines", {}).items()
    }
    seeds = [row for row in metrics.get("seeds", []) if isinstance(row, dict)]
    return {
        "name": entry.name,
        "data": str(entry.config.get("data", "")),
        "model": entry.model,
        "differing": dict(entry.differing),
        "config": {name: value for name, value in entry.config.items() if name != "format"},
        "finished": bool(metrics),
        "figures": entry.figures,
        "baselines": baselines,
        "parameters": metrics.get("parameters"),
        "warnings": metrics.get("warnings", []),
        "seconds": sum(row.get("seconds", 0) for row in seeds) or None,
        "seeds": len(seeds),
        "pictures": {path.name: _relative(path, base) for path in entry.pictures},
        "curves": _curves(entry.run.history_path),
    }


def _compared(runs: list[RunEntry]) -> dict[str, list[dict[str, Any]]]:
    """Tests between runs on the same data, by "A\\nB"."""
    compared = {}
    for i, a in enumerate(runs):
        for b in runs[i + 1 :]:
            if a.config.get("data") == b.config.get("data") and a.figures.keys() & b.figures.keys():
                compared[f"{a.name}\n{b.name}"] = compare_runs(a, b)
    return compared


def _curves(history: Path) -> dict[str, dict[str, list[list[float]]]]:
    """Of each column of history.csv, for each seed the points [step, value]."""
    curves: dict[str, dict[str, list[list[float]]]] = {}
    if history.is_file():
        with history.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for column, value in row.items():
                    if column not in ("seed", "step") and value:
                        points = curves.setdefault(column, {}).setdefault(row["seed"], [])
                        points.append([float(row["step"]), float(value)])
    return {
        column: {seed: points[:: -(-len(points) // _MOST_POINTS)] for seed, points in seeds.items()}
        for column, seeds in curves.items()
    }


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path.resolve(), base)).as_posix()
