"""LSTM layers whose gates see the memory."""

from typing import Any

from graphreel.core.checks import check_one_of

from ..kernels.frame import Kernel
from ..kernels.lstm import PEEPHOLE_GERS
from ..kernels.peephole_uva import PEEPHOLE_UVA
from .lstm import LSTM

_KERNELS = {"gers": PEEPHOLE_GERS, "uva": PEEPHOLE_UVA}


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

    def __init__(self, *args: Any, variant: str = "gers", **options: Any) -> None:
        check_one_of("variant", variant, _KERNELS)
        self.variant = variant
        super().__init__(*args, **options)
        if self.proj_size:
            raise ValueError(f"proj_size needs an LSTM without peepholes, but got {self.proj_size}")

    @property
    def kernel(self) -> Kernel:
        return _KERNELS[self.variant]

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
