"""The gated recurrent unit."""

import torch

from ..cells import gru_torch_cell, gru_uva_cell
from ..kernels.gru import fused_gru
from ..kernels.gru_uva import fused_gru_uva
from .recurrent import Recurrent

_VARIANTS = {"torch": (gru_torch_cell, fused_gru), "uva": (gru_uva_cell, fused_gru_uva)}


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al., 2014), a drop-in for torch.nn.GRU.

    variant="torch", torch.nn's form:

        r, z = sigmoid(W x_t + b + U h_{t-1} + b'),  n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + b'_n)),
        h_t = (1 - z) * n + z * h_{t-1}

    variant="uva", the report's course and the original paper (r acts before U_n, z has the opposite meaning):

        n = tanh(W_n x_t + b_n + U_n (r * h_{t-1}) + b'_n),  h_t = (1 - z) * h_{t-1} + z * n

    Shapes: weight_ih_l{k} [3H, I], weight_hh_l{k} [3H, H], bias_ih_l{k}, bias_hh_l{k} [3H], stacked as r, z, n;
    `_reverse` for the other direction.

    Args:
        variant: "torch" or "uva".

    The other arguments, and the call, are those of rnn.Recurrent.
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
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        variant: str = "torch",
        initialization: str = "uniform",
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        if variant not in _VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(_VARIANTS)}, but got {variant!r}")
        self.variant = variant
        self.cell, self.fused = _VARIANTS[variant]
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            initialization=initialization, recurrent_dropout=recurrent_dropout, zoneout=zoneout,
            weight_dropout=weight_dropout, layer_norm=layer_norm,
        )  # fmt: skip

    def weight_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        h = self.hidden_size
        biases = {"bias_ih": (3 * h,), "bias_hh": (3 * h,)} if self.bias else {}
        return {"weight_ih": (3 * h, input_size), "weight_hh": (3 * h, h), **biases}

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.variant == "torch" else f", variant={self.variant}")
