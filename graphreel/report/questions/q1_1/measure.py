"""The gradients of the vanilla RNN, and why they vanish or explode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphreel.inspect.gradients import checks
from graphreel.report.workspace import Workspace
from graphreel.rnn import draw_gradient_norms, gradient_norms
from graphreel.rnn.analysis.gradient_norms import GradientNorms

CHANCE = 0.25  # of the memory task, which has four classes


@dataclass(frozen=True)
class Sizes:
    """`problems` random networks are checked; the picture takes `length`, `hidden`, `batch` and `steps` of training."""

    problems: int = 20
    length: int = 100
    hidden: int = 32
    batch: int = 32
    steps: int = 200


SIZES = {"quick": Sizes(steps=100), "full": Sizes(problems=200, hidden=64, steps=1000)}
SECONDS = {"quick": 5, "full": 150}


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    measured = gradient_norms(sizes.length, sizes.hidden, sizes.batch, sizes.steps)
    workspace.figure("gradient-norms", draw_gradient_norms(measured))
    bounds = [bool((one.norm <= one.bound * (1 + 1e-9)).all()) for one in measured if one.bound is not None]
    tested = 4 * sizes.batch  # sequences
    return {
        **checks(sizes.problems),
        "norms": [_row(one) for one in measured],
        "bound_holds": all(bounds),
        "chance": CHANCE,
        # what a coin with four sides reaches with a probability of about 0.98 at most
        "above_chance": CHANCE + 2 * (CHANCE * (1 - CHANCE) / tested) ** 0.5,
    }


def _row(one: GradientNorms) -> dict[str, Any]:
    fade = (one.norm[-1] / one.norm[0]).item()
    return {"kind": one.kind, "setting": one.setting, "trained": one.trained, "accuracy": one.accuracy, "fade": fade}


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """The report's formulas (a, b) are off by more than a thousandth of the gradient; what it says of the past (c) is
    true, and the fading that it leaves out is measured."""
    wrong = {name: error > 1e-3 for name, error in numbers["report_relative_error"].items()}
    initial = {row["setting"]: row["fade"] for row in numbers["norms"] if row["kind"] == "rnn" and not row["trained"]}
    vanishes = min(initial.values()) < 1e-3
    return {
        "a": "corrected" if wrong["W_ph"] else "confirmed",
        "b": "corrected" if wrong["W_hh"] else "confirmed",
        "c": "completed" if vanishes and numbers["bound_holds"] else "confirmed",
    }
