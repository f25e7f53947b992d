"""Trainings on palindromes, shared by the questions on LSTMs: a string is read, its last digit is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from graphreel.data import load
from graphreel.experiments.sequences import Sequences, scores
from graphreel.experiments.task_settings import PALINDROME_FORGET_BIAS, TaskSettings
from graphreel.inspect.load_run import load_run
from graphreel.report.workspace import Workspace
from graphreel.rnn import SequenceClassifier
from graphreel.training.curves import draw_curves

FORGET_BIAS = PALINDROME_FORGET_BIAS
_CHANCE = "chance (always 1)"
_PANELS = {"val_accuracy": "validation accuracy", "train_loss": "training loss (nats)"}


@dataclass(frozen=True)
class Sizes:
    """What is trained: lengths T, seeds, and the settings of a training.

    Attributes:
        untrained: how many networks are drawn to measure the loss before training.
    """

    lengths: tuple[int, ...] = (10, 20)
    seeds: int = 3
    hidden: int = 256
    learning_rate: float = 1e-4
    steps: int = 3000
    evaluate_every: int = 50
    untrained: int = 10

    def typed(self, length: int, cell: str, plain: bool) -> dict[str, Any]:
        """The options of `graphreel rnn train`; `plain` starts the forget gates half open, as the report did."""
        return {
            "length": length, "cell": cell, "seeds": self.seeds, "hidden": self.hidden, "steps": self.steps,
            "learning_rate": self.learning_rate, "evaluate_every": self.evaluate_every,
            **({"forget_bias": 0.0} if plain else {}),
        }  # fmt: skip


FULL = Sizes()
SIZES = {"quick": Sizes((5, 10), hidden=64, learning_rate=1e-3, steps=1500, evaluate_every=10), "full": FULL}


@dataclass(frozen=True)
class Learning:
    """How one length was learned: the rows per evaluation and seed, and these numbers.

    "plateau": the last step at which the accuracy was within 0.05 of the chance level, in the mean over seeds;
    "solved": the first step at which a seed made no error on the validation strings, for each seed that got there, and
    "step": their mean, a seed that never got there counting as the last step; "first_loss", "first_accuracy": of
    training up to the first evaluation, and at it, in the mean over seeds; "setbacks": by how much the accuracy fell
    from one evaluation to the next, summed up, in the mean over seeds; "command": what repeats the training.
    """

    history: list[dict[str, Any]]
    numbers: dict[str, Any]


def learn(
    workspace: Workspace, sizes: Sizes, cell: str, plain: bool = False, lengths: Sequence[int] = ()
) -> dict[int, Learning]:
    """Train on palindromes of these lengths, or of all (or find that trained), and look at the curves."""
    found = {}
    for length in lengths or sizes.lengths:
        typed = sizes.typed(length, cell, plain)
        settings = TaskSettings.resolve("palindrome", typed)
        name = f"palindrome-{length}-{cell}{'-plain' if plain else ''}"
        run = workspace.trainings.train(name, settings)
        options = " ".join(TaskSettings.options()[key].typed(value) for key, value in typed.items())
        command = f"graphreel rnn train --data palindrome {options}"
        history = workspace.trainings.history(name)
        found[length] = Learning(history, {**_look(run.metrics(), history, sizes.steps), "command": command})
    return found


def _look(metrics: dict[str, Any], history: list[dict[str, Any]], steps: int) -> dict[str, Any]:
    chance = metrics["baselines"]["majority"]
    seeds = [[row for row in history if row["seed"] == seed] for seed in dict.fromkeys(row["seed"] for row in history)]
    near = [[row["step"] for row in rows if abs(row["val_accuracy"] - chance) < 0.05] for rows in seeds]
    solved = [row for rows in seeds for row in [one["step"] for one in rows if one["val_accuracy"] == 1.0][:1]]
    falls = [
        sum(max(0.0, before["val_accuracy"] - after["val_accuracy"]) for before, after in pairwise(rows))
        for rows in seeds
    ]
    return {
        "test_accuracy": metrics["test_accuracy"],
        "chance": chance,
        "seeds": metrics["seeds"],
        "plateau": fmean(max(found, default=0) for found in near),
        "solved": solved,
        "step": fmean([*solved, *[steps] * (len(seeds) - len(solved))]),
        "first_loss": fmean(rows[0]["train_loss"] for rows in seeds),
        "first_accuracy": fmean(rows[0]["val_accuracy"] for rows in seeds),
        "setbacks": fmean(falls),
    }


def all_right(runs: Mapping[Any, Mapping[str, Any]]) -> bool:
    """Accuracy 1.0 with deviation 0.0 at every length, at the digit that the report gives."""
    means = [[round(run["test_accuracy"][key], 1) for key in ("mean", "std")] for run in runs.values()]
    return all(mean == [1.0, 0.0] for mean in means)


def numbers_of(learned: Mapping[int, Learning]) -> dict[int, dict[str, Any]]:
    """Length -> numbers."""
    return {length: one.numbers for length, one in learned.items()}


def best_network(workspace: Workspace, length: int, cell: str) -> tuple[SequenceClassifier, Tensor]:
    """The best network that `learn` has trained, and the test strings [N, T]."""
    trained = load_run(workspace.trainings.folder / f"palindrome-{length}-{cell}", "task")
    return trained.model, load("palindrome", length=length).test[0]


def loss_before_training(length: int, cell: str, seeds: int) -> float:
    """Loss of untrained networks at the report's size, in the mean over seeds, on validation strings."""
    source = load("palindrome", length=length, test_size=1, validation_size=500)
    losses = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = Sequences.model(TaskSettings("palindrome", length, cell), vars(source))
        losses.append(scores(model.eval(), source.validation, "val")["val_loss"])
    return fmean(losses)


def draw(workspace: Workspace, title: str, learned: Mapping[int, Learning], plain: Learning) -> None:
    """Pictures: accuracy and loss at every length, and the longest beside the same `plain`."""
    chance = plain.numbers["chance"]
    named = {f"T = {length}": one.history for length, one in learned.items()}
    for column, label in _PANELS.items():
        _curves(workspace, column, column, label, title, named, chance)
    longest = max(learned)
    beside = {"forget gates open": learned[longest].history, "as the report": plain.history}
    _curves(workspace, "plain", "val_accuracy", "validation accuracy", f"T = {longest}", beside, chance)


def _curves(
    workspace: Workspace, name: str, column: str, label: str, title: str, runs: Mapping[str, list[dict[str, Any]]],
    chance: float,
) -> None:  # fmt: skip
    rows = [
        {"seed": row["seed"], "step": row["step"], run: row[column]} for run, history in runs.items() for row in history
    ]
    levels = {"validation accuracy": {_CHANCE: chance}}
    draw_curves(rows, {label: tuple(runs)}, workspace.folder / f"{name}.svg", title, levels)
