"""LSTM layers whose gates see the memory."""

import torch

from ..cells import peephole_gers_cell, peephole_uva_cell
from ..kernels.lstm import fused_lstm
from ..kernels.peephole_uva import fused_uva
from .lstm import LSTM

_CELLS = {"gers": peephole_gers_cell, "uva": peephole_uva_cell}
_FUSED = {"gers": fused_lstm, "uva": fused_uva}


class PeepholeLSTM(LSTM):
    """LSTM with peephole connections from the memory c to the gates.

    variant="gers" (Gers, Schraudolph and Schmidhuber, 2002), diagonal peepholes beside h_{t-1}:

        i, f = sigmoid(W x_t + U h_{t-1} + p * c_{t-1} + b),  g = tanh(W_g x_t + U_g h_{t-1} + b_g),
        c_t = f * c_{t-1} + i * g,  o = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o),  h_t = o * tanh(c_t)

    variant="uva" (the report's), full matrices on c_{t-1}, which takes the place of h_{t-1}:

        i, f, o = sigmoid(W x_t + V c_{t-1} + b),  g = sigmoid(W_g x_t + b_g),
        c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)

    Shapes: weight_ih_l{k} [4H, I] stacked as i, f, g, o; gers: weight_hh_l{k} [4H, H] and weight_peephole_l{k} [3, H]
    for i, f, o; uva: weight_ch_l{k} [3H, H] for i, f, o; bias_ih_l{k}, bias_hh_l{k} [4H]; `_reverse` for the other
    direction.

    Args:
        variant: "gers" or "uva".

    The other arguments are those of rnn.LSTM; the call is that of rnn.Recurrent.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        variant: str = "gers",
        forget_bias: float | None = None,
        initialization: str = "uniform",
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        if variant not in _CELLS:
            raise ValueError(f"variant must be one of {', '.join(_CELLS)}, but got {variant!r}")
        self.variant = variant
        self.cell = _CELLS[variant]
        self.fused = _FUSED[variant]
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype,
            forget_bias=forget_bias, initialization=initialization,
            recurrent_dropout=recurrent_dropout, zoneout=zoneout,
            weight_dropout=weight_dropout, layer_norm=layer_norm,
        )  # fmt: skip

    def weight_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        h = self.hidden_size
        shapes = super().weight_shapes(input_size)
        del shapes["weight_hh"]
        recurrent: dict[str, tuple[int, ...]] = {"weight_ch": (3 * h, h)}
        if self.variant == "gers":
            recurrent = {"weight_hh": (4 * h, h), "weight_peephole": (3, h)}
        return {"weight_ih": shapes.pop("weight_ih"), **recurrent, **shapes}

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, variant={self.variant}"
