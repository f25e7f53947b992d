"""How recurrent layers draw their parameters."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn


def uniform(name: str, parameter: Tensor, hidden_size: int) -> None:
    """All parameters from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn does."""
    bound = 1 / sqrt(hidden_size)
    nn.init.uniform_(parameter, -bound, bound)


def orthogonal(name: str, parameter: Tensor, hidden_size: int) -> None:
    """Orthogonal recurrent blocks [H, H] (Saxe et al., 2014), Glorot-uniform input blocks, the rest zero."""
    if name.startswith(("bias", "weight_peephole")):
        nn.init.zeros_(parameter)
        return
    draw = nn.init.xavier_uniform_ if name.startswith("weight_ih") else nn.init.orthogonal_
    for block in parameter.split(hidden_size):
        if block.dtype in (torch.half, torch.bfloat16):
            block.copy_(draw(block.float()))
        else:
            draw(block)


def kaiming(name: str, parameter: Tensor, hidden_size: int) -> None:
    """He-normal matrices with deviation 1/sqrt(fan in), zero biases and peepholes: the report's setting."""
    if name.startswith(("bias", "weight_peephole")):
        nn.init.zeros_(parameter)
    else:
        nn.init.kaiming_normal_(parameter, nonlinearity="linear")


INITIALIZATIONS: dict[str, Callable[[str, Tensor, int], None]] = {
    "uniform": uniform,
    "orthogonal": orthogonal,
    "kaiming": kaiming,
}


def set_forget_bias(layer: nn.Module, hidden_size: int, value: float) -> None:
    """Set the forget gate's bias of every layer and direction (both vectors together) to `value`."""
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("bias"):
                parameter[hidden_size : 2 * hidden_size] = value if name.startswith("bias_ih") else 0.0
