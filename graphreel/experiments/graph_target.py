"""What a graph network learns: classes, or numbers; its loss and its figures."""

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from graphreel.training import ranks
from graphreel.training.class_weights import weight_of
from graphreel.training.metrics import classification, test_figures


@dataclass(frozen=True)
class Classes:
    """Answers [n, count] are logits, labels [n] classes."""

    count: int
    smoothing: float = 0.0
    weights: Tensor | None = None
    figures = ("test_accuracy", "val_accuracy")
    main = "accuracy"

    @staticmethod
    def said(figure: float) -> str:
        """An accuracy in words."""
        return f"{100 * figure:.1f} %"

    @staticmethod
    def is_better(one: float, other: float) -> bool:
        """Whether an accuracy is above another."""
        return one > other

    def loss(self, answer: Tensor, labels: Tensor) -> Tensor:
        """That of a training step, of which a rank has its summand."""
        own = F.cross_entropy(
            answer.flatten(0, -2),
            labels.repeat(answer.shape[:-2].numel()),
            self.weights,
            label_smoothing=self.smoothing,
        )
        return ranks.mean(own, weight_of(labels, self.weights))

    @staticmethod
    def disagreement(answers: Tensor, sharpening: float) -> Tensor:
        """The squared distance of what several draws [draws, n, count] answer from their sharpened mean.

        That of Feng et al., 2020: the mean probabilities to the power 1 / sharpening, normalised, without gradient.
        """
        shares = answers.softmax(-1)
        sharp = shares.detach().mean(0) ** (1 / sharpening)
        return (shares - sharp / sharp.sum(-1, keepdim=True)).square().sum(-1).mean()

    def scores(self, answer: Tensor, labels: Tensor, part: str) -> dict[str, float]:
        """Loss and accuracy; of the validation part also the accuracy with ties broken by the loss."""
        found = classification(answer, labels, part, self.weights)
        if part == "val":
            # a difference in loss weighs less than any difference in accuracy on fewer than 10^6 nodes
            found["val_rank"] = found["val_accuracy"] - 1e-6 * found["val_loss"] / (1 + found["val_loss"])
        return found

    def results(self, answer: Tensor, labels: Tensor, part: str) -> dict[str, Any]:
        """The figures of a finished training."""
        if part == "test":
            return test_figures(answer, labels)
        return {f"{part}_accuracy": self.scores(answer, labels, part)[f"{part}_accuracy"]}


@dataclass(frozen=True)
class Numbers:
    """Answers [n, 1] and labels [n] are numbers divided by `scale` after `mean` was taken off."""

    mean: float
    scale: float
    count = 0
    figures = ("test_mae", "test_rmse", "val_mae")
    main = "mae"

    @staticmethod
    def said(figure: float) -> str:
        """A mean absolute error in words."""
        return f"MAE {figure:.4g}"

    @staticmethod
    def is_better(one: float, other: float) -> bool:
        """Whether an error is below another."""
        return one < other

    @classmethod
    def of(cls, labels: Tensor) -> "Numbers":
        """Of the numbers of a training part."""
        return cls(float(labels.mean()), float(labels.std(correction=0)) or 1.0)

    def scaled(self, numbers: Tensor) -> Tensor:
        """In float32, which rounds off the differences of large numbers if nothing is taken off first."""
        return ((numbers - self.mean) / self.scale).float()

    def loss(self, answer: Tensor, labels: Tensor) -> Tensor:
        """That of a training step, of which a rank has its summand."""
        return ranks.mean(F.mse_loss(answer[..., 0], labels.expand(answer.shape[:-1])), len(labels))

    @staticmethod
    def disagreement(answers: Tensor, sharpening: float) -> Tensor:
        """The squared distance of what several draws [draws, n, 1] answer from their mean; nothing is sharpened."""
        return (answers - answers.detach().mean(0)).square().mean()

    def scores(self, answer: Tensor, labels: Tensor, part: str) -> dict[str, float]:
        """The loss, and mean absolute and root mean squared error in the units of the numbers."""
        error = (answer[:, 0] - labels) * self.scale
        found = {f"{part}_mae": error.abs().mean().item(), f"{part}_rmse": error.square().mean().sqrt().item()}
        loss = F.mse_loss(answer[:, 0], labels).item()
        return {f"{part}_loss": loss, **found, f"{part}_rank": -found[f"{part}_mae"]}

    def results(self, answer: Tensor, labels: Tensor, part: str) -> dict[str, Any]:
        """The figures of a finished training."""
        scores = self.scores(answer, labels, part)
        return {name: scores[name] for name in (f"{part}_mae", f"{part}_rmse")}
