"""An LSTM learns to read palindromes, with its forget gates open and as the report trained it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from graphreel.report.questions.palindromes import FORGET_BIAS, FULL, SIZES, Sizes, all_right, draw, learn, numbers_of
from graphreel.report.workspace import Workspace

SECONDS = {"quick": 20, "full": 2400}
__all__ = ["SIZES"]


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    opened, plain = learn(workspace, sizes, "lstm"), learn(workspace, sizes, "lstm", plain=True)
    draw(workspace, "LSTM", opened, plain[max(plain)])
    return {
        "opened": numbers_of(opened),
        "as_the_report": numbers_of(plain),
        "forget_bias": FORGET_BIAS,
        "full": asdict(FULL),
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Of the training as the report had it: a: 1.0 ± 0.0 at every length; b: hardly ever right at first (under a
    tenth); c: the longest strings are learned later, and their accuracy falls back more."""
    plain = numbers["as_the_report"]
    short, long = (plain[str(choose(map(int, plain)))] for choose in (min, max))
    slower, rougher = (long[key] > short[key] for key in ("step", "setbacks"))
    starts_at_0 = all(run["first_accuracy"] < 0.1 for run in plain.values())
    held = {"a": all_right(plain), "b": starts_at_0, "c": slower and rougher}
    return {part: "confirmed" if holds else "corrected" for part, holds in held.items()}
