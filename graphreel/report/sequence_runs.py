"""Trainings on sequence tasks, shared by the questions on LSTMs: palindromes in, first digit out."""

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from graphreel.data import load
from graphreel.experiments import sequences as sequence_training
from graphreel.experiments.sequence_settings import TaskSettings
from graphreel.report.workspace import Workspace
from graphreel.rnn import SequenceClassifier
from graphreel.training.run_folder import RunFolder


@dataclass(frozen=True)
class PalindromeSizes:
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

    def typed(self, length: int, cell: str, plain: bool = False) -> dict[str, Any]:
        """The options of `graphreel rnn train`; `plain` starts the forget gates half open, as the report did."""
        return {
            "length": length, "cell": cell, "seeds": self.seeds, "hidden": self.hidden, "steps": self.steps,
            "learning_rate": self.learning_rate, "evaluate_every": self.evaluate_every,
            **({"forget_bias": 0.0} if plain else {}),
        }  # fmt: skip

    def command(self, length: int, cell: str, plain: bool = False) -> str:
        """The command that repeats a training."""
        typed = self.typed(length, cell, plain)
        options = " ".join(
            f"--{name.replace('_', '-')} {value:g}"
            if isinstance(value, float)
            else f"--{name.replace('_', '-')} {value}"
            for name, value in typed.items()
        )
        return f"graphreel rnn train --data palindrome {options}"


QUICK = PalindromeSizes(lengths=(5, 10), hidden=64, learning_rate=1e-3, steps=1500, evaluate_every=10)
FULL = PalindromeSizes()


@dataclass(frozen=True)
class Learning:
    """How one length was learned.

    Attributes:
        metrics: the run's metrics.json.
        history: its rows per evaluation and seed.
        plateau: the last step, in the mean over seeds, at which the accuracy was within 0.05 of the chance level.
        solved: the first step at which a seed made no error on the validation strings, for each seed that got there.
        first_loss: training loss, in the mean over seeds, up to the first evaluation.
        first_accuracy: at the first evaluation, in the mean over seeds.
        setbacks: by how much the accuracy fell from one evaluation to the next, summed up, in the mean over seeds.
    """

    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    plateau: float
    solved: list[int]
    first_loss: float
    first_accuracy: float
    setbacks: float

    @property
    def chance(self) -> float:
        return self.metrics["baselines"]["majority"]

    def numbers(self) -> dict[str, Any]:
        """For report.json."""
        return {
            "test_accuracy": self.metrics["test_accuracy"], "chance": self.chance, "plateau_ends_at_step": self.plateau,
            "no_error_from_step": self.solved, "first_training_loss": self.first_loss, "setbacks": self.setbacks,
            "first_accuracy": self.first_accuracy, "seeds": self.metrics["seeds"],
        }  # fmt: skip


def learn_palindromes(
    workspace: Workspace, sizes: PalindromeSizes, length: int, cell: str, plain: bool = False
) -> Learning:
    """Train on palindromes of a length (or find it trained) and look at the curves."""
    settings = TaskSettings.resolve("palindrome", sizes.typed(length, cell, plain))
    name = f"palindrome-{length}-{cell}{'-plain' if plain else ''}"
    run = workspace.trainings.train(name, settings, sequence_training.start, sequence_training.resume)
    return _look(run.metrics(), workspace.trainings.history(name))


def trained_on_palindromes(workspace: Workspace, length: int, cell: str) -> tuple[SequenceClassifier, Tensor]:
    """The best network of `learn_palindromes`, and the test strings [N, T]."""
    run = RunFolder.open(workspace.trainings.folder / f"palindrome-{length}-{cell}", "rnn")
    settings = TaskSettings.from_dict(run.config())
    source = load("palindrome", length=length)
    model = sequence_training.build_classifier(settings, source)
    model.load_state_dict(run.load_checkpoint()["model"])
    return model.eval(), source.test[0]


def loss_before_training(length: int, cell: str, seeds: int) -> float:
    """Loss of untrained networks at the report's size, in the mean over seeds, on validation strings."""
    source = load("palindrome", length=length, test_size=1, validation_size=500)
    losses = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = sequence_training.build_classifier(TaskSettings("palindrome", length, cell), source)
        losses.append(sequence_training.scores(model.eval(), *source.validation)[0])
    return fmean(losses)


def first_symbols(tokens: Tensor, model: SequenceClassifier) -> Tensor:
    """Where the model starts to read each string [N, T]: behind the padding, if it skips that."""
    if model.padding is None:
        return torch.zeros(len(tokens), dtype=torch.long)
    return (tokens != model.padding).to(torch.uint8).argmax(1)


def _look(metrics: dict[str, Any], history: list[dict[str, Any]]) -> Learning:
    chance = metrics["baselines"]["majority"]
    plateau, solved, first_loss, first_accuracy, setbacks = [], [], [], [], []
    for seed in dict.fromkeys(row["seed"] for row in history):
        rows = [row for row in history if row["seed"] == seed]
        plateau.append(max((row["step"] for row in rows if abs(row["val_accuracy"] - chance) < 0.05), default=0))
        solved += [row["step"] for row in rows if row["val_accuracy"] == 1.0][:1]
        first_loss.append(rows[0]["train_loss"])
        first_accuracy.append(rows[0]["val_accuracy"])
        accuracy = [row["val_accuracy"] for row in rows]
        setbacks.append(sum(max(0.0, before - after) for before, after in pairwise(accuracy)))
    return Learning(metrics, history, fmean(plateau), solved, fmean(first_loss), fmean(first_accuracy), fmean(setbacks))
