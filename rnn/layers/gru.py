"""The gated recurrent unit."""

from typing import Any

from graphreel.core.checks import check_one_of

from ..kernels.frame import Kernel
from ..kernels.gru import GRU_KERNEL
from ..kernels.gru_uva import GRU_UVA
from .recurrent import Recurrent

_KERNELS = {"torch": GRU_KERNEL, "uva": GRU_UVA}


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

    autocast_output = False
    gates = 3

    def __init__(self, *args: Any, variant: str = "torch", **options: Any) -> None:
        check_one_of("variant", variant, _KERNELS)
        self.variant = variant
        super().__init__(*args, **options)

    @property
    def kernel(self) -> Kernel:
        return _KERNELS[self.variant]

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.variant == "torch" else f", variant={self.variant}")
