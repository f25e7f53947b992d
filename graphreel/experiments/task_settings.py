"""Settings of `graphreel rnn train` on a sequence task."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphreel.rnn.registry import CELLS, GATED_CELLS
from graphreel.training.class_weights import class_weights_option
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import at_least, at_most, one_of, option, positive, size, times
from graphreel.training.schedules import schedule_option
from graphreel.training.settings import Settings

# The label is the first digit: it must outlast up to 4 steps a unit of length. A forget gate that starts at 1/2 lets
# 2^-48 of its gradient through the mean string of 48 digits at length 20, one that starts at sigmoid(3) lets 0.1
# through, and one that starts at sigmoid(log(length)) lets 0.1 through at any length.
PALINDROME_FORGET_BIAS = 3.0
_LONG = 20


@dataclass(frozen=True)
class TaskSettings(Settings):
    """Every setting of a training on a sequence task; it stops after 3 evaluations in a row without an error."""

    ROOM = "rnn"
    KINDS = ("task",)
    CALLED = "the task {data}"
    PANEL = "Sequence tasks"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "palindrome": {"length": 10},
        f"palindrome over {_LONG}": {
            "start_length": 5,
            "hidden": 64,
            "embedding": 16,
            "batch_size": 128,
            "learning_rate": 1e-3,
        },
        "baum-sweet": {"length": 4},
        "random-combinations": {"length": 5, "hidden": 128, "batch_size": 128, "learning_rate": 1e-3, "steps": 2000},
    }

    length: int = option(10, "Difficulty of a task: its T or L.", check=(at_least(1), at_most(10_000)))
    cell: str = option("lstm", "Recurrent cell; peephole is the report's variant", check=one_of(*CELLS))
    steps: int = option(3000, "Optimiser steps at most.", check=times, names="--epochs", panel="Training")
    batch_size: int = option(256, "Sequences or windows in a batch.", check=size, panel="Training")
    hidden: int = option(256, "Units of a layer.", check=size)
    embedding: int = option(64, "Features of a token.", check=size)
    class_weights: str = class_weights_option()
    learning_rate: float = option(1e-4, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("constant")
    optimizer: str = optimizer_option("adam")
    clip_norm: float = option(10.0, "Largest norm of the gradient.", check=positive, panel="Training")
    initialization: str = option("kaiming", "How weights are drawn", check=one_of("uniform", "orthogonal", "kaiming"))
    forget_bias: float | None = option(
        None,
        "What the forget gate's bias starts at; left out, what the initialisation gives, and on palindromes 3 or the "
        "logarithm of a length above 20.",
    )  # fmt: skip
    skip_padding: bool = option(True, "Start a sequence at its first symbol that is no padding.", off="--read-padding")
    evaluate_every: int = option(50, "Steps between evaluations.", check=times, panel="Training")
    start_length: int = option(
        0, "Length of the strings of the first step; it grows to the full one in a third of the steps. 0: no growth.",
        check=(at_least(0), at_most(10_000)), before=0,
    )  # fmt: skip

    def check(self) -> None:
        if self.start_length > self.length:
            raise ValueError(f"--start-length expects at most --length {self.length}, got {self.start_length}")
        if self.start_length and self.data == "random-combinations":
            raise ValueError("--start-length expects a task with padding, random-combinations has none")
        if self.forget_bias is not None and self.cell not in GATED_CELLS:
            raise ValueError(f"--forget-bias expects one of the cells {', '.join(GATED_CELLS)}, got {self.cell!r}")

    def length_at(self, step: int) -> int | None:
        """Length of the strings of a step, in equal ratios from the first to the full one; None: the full one."""
        share = 3 * step / self.steps
        if not self.start_length or share >= 1:
            return None
        return round(self.start_length * (self.length / self.start_length) ** share)

    @classmethod
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        preset, length = dict(cls.PRESETS.get(data, {})), typed.get("length")
        long = length if isinstance(length, int) and length > _LONG else None
        if data == "palindrome" and long:
            preset.update(cls.PRESETS[f"palindrome over {_LONG}"])
        if data == "palindrome" and typed.get("cell", "lstm") in GATED_CELLS:
            preset["forget_bias"] = math.log(long) if long else PALINDROME_FORGET_BIAS
        return preset
