"""Mean and standard deviation over seeds, and the lines that a command prints at its end."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphreel.training.run_folder import RunFolder


def mean_and_std(values: Sequence[float]) -> dict[str, float]:
    """{"mean", "std"}: the sample standard deviation (n - 1), 0 for a single value."""
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else 0.0}


def over_seeds(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """The named figures of the seeds' rows as mean and standard deviation."""
    return {name: mean_and_std([row[name] for row in rows]) for name in names}


def percent(figure: Mapping[str, float]) -> str:
    """`81.9 +- 0.5 %`."""
    return f"{100 * figure['mean']:.1f} ± {100 * figure['std']:.1f} %"


def spread(figure: Mapping[str, float]) -> str:
    """`0.123 ± 0.004`."""
    return f"{figure['mean']:.4g} ± {figure['std']:.2g}"


def over(said: str, rows: Sequence[Any], what: str = "seed") -> str:
    """`81.9 ± 0.5 % over 10 seeds`."""
    return f"{said} over {len(rows)} {what}{'s'[: len(rows) != 1]}"


def summary(lines: Mapping[str, str], run: RunFolder, *more: Path) -> str:
    """Aligned `name  value` lines, then where the run's files are, and those that it has beyond the usual."""
    width = max(len(name) for name in lines) + 2
    body = [f"  {name:<{width}}{value}" for name, value in lines.items()]
    written = ", ".join(path.name for path in [*run.files, *more])
    return "\n".join([*body, f"  {'in':<{width}}{run.path}: {written}"])
