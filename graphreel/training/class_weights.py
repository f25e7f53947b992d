"""How much each class counts in a loss."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphreel.training.option import option

if TYPE_CHECKING:
    from torch import Tensor


def class_weights_option() -> Any:
    """The setting of the weights."""
    return option(
        "", "What classes count in the loss: balanced, or a .csv (class,weight) or .json of them.", panel="Training",
        before="",
    )  # fmt: skip


def class_weights(said: str, labels: "Tensor", names: Sequence[str], device: str = "cpu") -> "Tensor | None":
    """The weights [classes] that a setting asks for; None where all count alike.

    Balanced: n / (classes * n_c), so that every class counts as much as another.

    Args:
        said: "", "balanced", or the path of a file.
        labels: [n] of the training part.
        names: of the classes.

    Raises:
        ValueError: the file cannot be read, lacks a class, names another, or holds what is no positive number.
        FileNotFoundError: there is no such file.
    """
    import torch

    if not said:
        return None
    if said == "balanced":
        counts = labels.cpu().bincount(minlength=len(names)).clamp(min=1)
        return (len(labels) / (len(names) * counts.float())).to(device)
    path = Path(said)
    if not path.is_file():
        raise FileNotFoundError(f"--class-weights expects balanced or a file, got {said}")
    given = _read(path)
    if set(given) != set(names):
        raise ValueError(
            f"{path.name} weighs {', '.join(sorted(given)[:10])}, but the classes are {', '.join(names[:10])}"
        )
    if not all(isinstance(weight, float) and 0 < weight < float("inf") for weight in given.values()):
        raise ValueError(f"{path.name} expects a positive number for every class")
    return torch.tensor([given[name] for name in names], device=device)


def weight_of(labels: "Tensor", weights: "Tensor | None") -> "Tensor | int":
    """How much labels count together in a weighted mean over them; all alike, how many there are."""
    return labels.numel() if weights is None else weights[labels].sum()


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.suffix.lower() == ".json":
            return {str(name): float(weight) for name, weight in json.loads(path.read_text(encoding="utf-8")).items()}
        from graphreel.data.tables import read_table

        table = read_table(path)
        return dict(zip(table.texts(0), map(float, table.numbers(1)), strict=True))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is no table of class and weight: {error}") from None
