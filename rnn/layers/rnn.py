"""The vanilla recurrent layer."""

import torch

from ..cells import rnn_relu_cell, rnn_tanh_cell
from ..kernels.rnn import fused_rnn_relu, fused_rnn_tanh
from .recurrent import Recurrent

_CELLS = {"tanh": rnn_tanh_cell, "relu": rnn_relu_cell}
_FUSED = {"tanh": fused_rnn_tanh, "relu": fused_rnn_relu}


class RNN(Recurrent):
    """Elman's (1990) recurrent layer, a drop-in for torch.nn.RNN.

        h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    Shapes: weight_ih_l{k} [H, I], weight_hh_l{k} [H, H], bias_ih_l{k}, bias_hh_l{k} [H]; `_reverse` for the other
    direction.

    Args:
        nonlinearity: "tanh" or "relu".

    The other arguments, and the call, are those of rnn.Recurrent.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        initialization: str = "uniform",
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        if nonlinearity not in _CELLS:
            raise ValueError(f"nonlinearity must be one of {', '.join(_CELLS)}, but got {nonlinearity!r}")
        self.cell = _CELLS[nonlinearity]
        self.fused = _FUSED[nonlinearity]
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            initialization=initialization, recurrent_dropout=recurrent_dropout, zoneout=zoneout,
            weight_dropout=weight_dropout, layer_norm=layer_norm,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def weight_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        h = self.hidden_size
        biases = {"bias_ih": (h,), "bias_hh": (h,)} if self.bias else {}
        return {"weight_ih": (h, input_size), "weight_hh": (h, h), **biases}
