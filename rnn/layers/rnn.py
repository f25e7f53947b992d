"""The vanilla recurrent layer."""

from typing import Any

from graphreel.core.checks import check_one_of

from ..kernels.frame import Kernel
from ..kernels.rnn import RNN_RELU, RNN_TANH
from .recurrent import Recurrent

_KERNELS = {"tanh": RNN_TANH, "relu": RNN_RELU}


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
        *args: Any,
        **options: Any,
    ) -> None:
        check_one_of("nonlinearity", nonlinearity, _KERNELS)
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, *args, **options)

    @property
    def kernel(self) -> Kernel:
        return _KERNELS[self.nonlinearity]
