"""A peephole LSTM learns the same task as the LSTM of Q1.3, and where its loss starts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from graphreel.report.questions.palindromes import (
    FORGET_BIAS,
    FULL,
    SIZES,
    Sizes,
    all_right,
    draw,
    learn,
    loss_before_training,
    numbers_of,
)
from graphreel.report.workspace import Workspace

SECONDS = {"quick": 17, "full": 480}
__all__ = ["SIZES"]


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    opened, lstm = learn(workspace, sizes, "peephole"), learn(workspace, sizes, "lstm")
    longest = max(sizes.lengths)
    plain = learn(workspace, sizes, "peephole", plain=True, lengths=(longest,))
    draw(workspace, "Peephole LSTM", opened, plain[longest])
    return {
        "opened": numbers_of(opened),
        "lstm": numbers_of(lstm),
        "as_the_report": numbers_of(plain),
        "loss_before_training": {
            cell: {length: loss_before_training(length, cell, sizes.untrained) for length in sizes.lengths}
            for cell in ("peephole", "lstm")
        },
        "forget_bias": FORGET_BIAS,
        "full": asdict(FULL),
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """a: 1.0 ± 0.0 at every length, as the LSTM has it; b: before training its loss is lower at every length."""
    loss = numbers["loss_before_training"]
    lower = all(loss["peephole"][length] < loss["lstm"][length] for length in loss["lstm"])
    held = {"a": all_right(numbers["opened"]) and all_right(numbers["lstm"]), "b": lower}
    return {part: "confirmed" if holds else "corrected" for part, holds in held.items()}
