"""Optimisers by name, which weights they decay, and the running mean of the weights; torch is imported late."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from graphreel.training.option import one_of, option

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.swa_utils import AveragedModel

# by name, the class in torch.optim
# Adam adds the L2 penalty to the gradient, AdamW decays the weights themselves (Loshchilov and Hutter, 2019)
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}


def optimizer_option(default: str) -> Any:
    """The setting that chooses one; runs made before there was a choice had the default."""
    return option(default, "What takes the steps", check=one_of(*OPTIMIZERS), panel="Training", before=default)


def build_optimizer(
    name: str,
    model: "nn.Module",
    learning_rate: float,
    weight_decay: float = 0.0,
    decayed: "Callable[[nn.Parameter], bool] | None" = None,
    **options: Any,
) -> "Optimizer":
    """The optimiser of a model's parameters.

    Args:
        name: one of OPTIMIZERS.
        weight_decay: of the parameters that `decayed` chooses; of all where it is None.
    """
    import torch

    make = getattr(torch.optim, OPTIMIZERS[name])
    parameters = list(model.parameters())
    if decayed is None:
        return make(parameters, lr=learning_rate, weight_decay=weight_decay, **options)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if decayed(p)], "weight_decay": weight_decay},
        {"params": [p for p in parameters if not decayed(p)], "weight_decay": 0.0},
    ]
    return make([group for group in groups if group["params"]], lr=learning_rate, **options)


def average_of(model: "nn.Module", decay: float) -> "AveragedModel":
    """Exponential moving average of a model's weights (Polyak and Juditsky, 1992), shorter during the first steps."""
    import torch
    from torch.optim.swa_utils import AveragedModel

    def update(averages: Any, weights: Any, count: "Tensor | int") -> None:
        share = max(1 - decay, 9 / (10 + int(count)))
        torch._foreach_lerp_(list(averages), list(weights), share)

    return AveragedModel(model, multi_avg_fn=update).eval()
