"""The difference of two runs, with a test over their seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from graphreel.inspect.run_table import RunEntry


def compare_runs(a: RunEntry, b: RunEntry) -> list[dict[str, Any]]:
    r"""Figure by figure: what each run has per seed, and Welch's t-test of the difference of their means.

    .. math::
        t = \frac{\bar b - \bar a}{\sqrt{s_a^2 / n_a + s_b^2 / n_b}}

    Returns:
        One entry for each figure that both have, {"figure", "a", "b", "difference", "low", "high", "p"}: low and high
        bound the difference with a confidence of 95 %; with fewer than two seeds, or without any spread, these and p
        are None.

    Raises:
        ValueError: the runs share no figure.
    """
    shared = [name for name in a.figures if name in b.figures]
    if not shared:
        raise ValueError(
            f"{a.name} and {b.name} share no figure: they have {_listed(a.figures)}, and {_listed(b.figures)}"
        )
    return [{"figure": name, **_difference(_by_seed(a, name), _by_seed(b, name))} for name in shared]


def differing_settings(a: RunEntry, b: RunEntry) -> dict[str, tuple[Any, Any]]:
    """The settings that the runs do not share."""
    names = dict.fromkeys([*a.config, *b.config])
    pairs = {name: (a.config.get(name), b.config.get(name)) for name in names if name not in ("versions", "git_commit")}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _by_seed(run: RunEntry, figure: str) -> list[float]:
    rows = [row[figure] for row in run.metrics.get("seeds", []) if isinstance(row, dict) and figure in row]
    return rows or [run.figures[figure]["mean"]]


def _difference(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    means = statistics.fmean(a), statistics.fmean(b)
    found: dict[str, Any] = {"a": list(a), "b": list(b), "difference": means[1] - means[0]}
    spread = [statistics.variance(values) / len(values) if len(values) > 1 else math.nan for values in (a, b)]
    if not sum(spread) > 0:
        return {**found, "low": None, "high": None, "p": None}
    from scipy.stats import ttest_ind

    test = ttest_ind(b, a, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return {**found, "low": float(low), "high": float(high), "p": float(test.pvalue)}


def _listed(figures: Mapping[str, Any]) -> str:
    return ", ".join(figures) or "none"
