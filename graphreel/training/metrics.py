"""Losses and scores of classifications and forecasts, and whether a training beat what takes no model."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphreel.training import ranks

_MOVED = 0.98  # a training loss, which is noisy, has moved when it was under this share of the trivial one


def classification(logits: Tensor, labels: Tensor, part: str, weights: Tensor | None = None) -> dict[str, float]:
    """Mean cross entropy in nats and accuracy: {PART_loss, PART_accuracy}. logits [..., classes], labels [...].

    Args:
        weights: of the classes in the loss [classes]; None: all alike.
    """
    weights = None if weights is None else weights.to(logits)
    return {
        f"{part}_loss": F.cross_entropy(logits.flatten(0, -2), labels.flatten(), weights).item(),
        f"{part}_accuracy": (logits.argmax(-1) == labels).float().mean().item(),
    }


@torch.no_grad()
def logits_of(model: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """The model's logits of inputs that come in parts, on the CPU; the ranks share the parts."""
    device = next(model.parameters()).device
    return torch.cat(ranks.in_parts(inputs, lambda part: model(part.to(device)).cpu()))


def confusion(logits: Tensor, labels: Tensor) -> list[list[int]]:
    """Counts [true class][predicted class]."""
    classes = logits.size(1)
    pairs = labels.cpu() * classes + logits.argmax(1).cpu()
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes).tolist()


def test_figures(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """What is told of a test part: accuracy, macro F1, area under the ROC curve and confusion.

    The area is that of the second of two classes, or the mean over the classes, each against the others, that the part
    holds; None where it holds but one.

    Args:
        logits: [n, classes].
        labels: [n].
    """
    counts = torch.tensor(confusion(logits, labels)).double()
    right, seen, told = counts.diag(), counts.sum(1), counts.sum(0)
    f1 = (2 * right / (seen + told).clamp(min=1))[(seen + told) > 0].mean().item()
    shares = logits.double().softmax(1).cpu()
    classes = [1] if logits.size(1) == 2 else range(logits.size(1))
    areas = [_area(shares[:, one], labels.cpu() == one) for one in classes]
    known = [area for area in areas if area is not None]
    return {
        "test_accuracy": classification(logits, labels, "test")["test_accuracy"],
        "test_f1": f1,
        "test_auroc": sum(known) / len(known) if known else None,
        "confusion": confusion(logits, labels),
    }


def _area(scores: Tensor, truth: Tensor) -> float | None:
    """How often a score of the true is above one of the false (ties: half), by ranks; None where there are none."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0).double() - (counts.double() - 1) / 2)[place]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def trivial_scores(train: Tensor, validation: Tensor, smoothing: float = 0.0) -> dict[str, float]:
    """What a classifier reaches that knows how often each class comes, and nothing else.

    Args:
        train, validation: labels [...].
        smoothing: share of the training targets that is spread over all classes.

    Returns:
        train_loss, the entropy of the training labels, and val_accuracy, that of their commonest class.
    """
    counts = train.flatten().bincount().double()
    shares = counts / counts.sum()
    shares = (1 - smoothing) * shares + smoothing / len(shares)
    entropy = -(shares * shares.clamp(min=1e-12).log()).sum()
    commonest = (validation == counts.argmax().to(validation.device)).float().mean()
    return {"train_loss": entropy.item(), "val_accuracy": commonest.item()}


def masked_loss(
    kind: str, forecast: Tensor, target: Tensor, observed: Tensor, scale: Tensor, delta: float = 1.0
) -> Tensor:
    """Mean mse, mae or huber loss over what is observed, 0 where nothing is; errors count times `scale` [nodes].

    Raises:
        ValueError: the shapes differ (nothing is broadcast).
    """
    if forecast.shape != target.shape:
        raise ValueError(f"the forecast is {list(forecast.shape)}, but the target is {list(target.shape)}")
    error = ((forecast - target) * scale.to(target.device))[observed]
    if kind == "huber":
        losses = F.huber_loss(error, torch.zeros_like(error), delta=delta, reduction="none")
    else:
        losses = error.abs() if kind == "mae" else error**2
    return losses.sum() / max(1, len(losses))


def never_beaten(history: Sequence[Mapping[str, Any]], trivial: Mapping[str, float]) -> list[str]:
    """A sentence for every seed and figure of the history that never got better than what takes no model.

    Args:
        history: rows with a seed and figures; names that end in accuracy are better when larger, others when smaller.
        trivial: the figures of the trivial model. An accuracy of 1 cannot be beaten and is passed over.
    """
    found = []
    for seed in dict.fromkeys(row["seed"] for row in history):
        rows = [row for row in history if row["seed"] == seed]
        for name, bar in trivial.items():
            values = [row[name] for row in rows if row.get(name) is not None]
            higher = name.endswith("accuracy")
            least = _MOVED * bar if name == "train_loss" else bar
            beaten = bar == 1 or max(values) > bar if higher else min(values) < least
            if not beaten:
                best = max(values) if higher else min(values)
                found.append(f"seed {seed}: {name} never beat {bar:.4g}, which takes no model; its best was {best:.4g}")
    return found
