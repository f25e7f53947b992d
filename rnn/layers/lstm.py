"""The LSTM layer."""

from typing import Any

from ..kernels.frame import Kernel
from ..kernels.lstm import LSTM_KERNEL, PROJECTED_LSTM
from .initialization import set_forget_bias
from .recurrent import Recurrent


class LSTM(Recurrent):
    """Long short-term memory, a drop-in for torch.nn.LSTM.

        i, f, o = sigmoid(W x_t + U h_{t-1} + b),  g = tanh(W_g x_t + U_g h_{t-1} + b_g),
        c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t)

    Shapes: weight_ih_l{k} [4H, I], weight_hh_l{k} [4H, H], bias_ih_l{k}, bias_hh_l{k} [4H], stacked as i, f, g, o;
    `_reverse` for the other direction.

    Args:
        proj_size: P below H, to which weight_hr_l{k} [P, H] projects h (Sak et al., 2014); 0: none. H is then P in the
            shapes of h, of outputs and in weight_hh. Torch's operator scans such layers where it can.
        forget_bias: value that the forget gate's bias starts at (Jozefowicz et al., 2015: 1); with None it is drawn
            like the others.

    The other arguments, and the call, are those of rnn.Recurrent.
    """

    state_names = ("h_0", "c_0")
    gates = 4

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
        *args: Any,
        forget_bias: float | None = None,
        **options: Any,
    ) -> None:
        if proj_size != 0 and not (type(proj_size) is int and 0 < proj_size < hidden_size):
            raise ValueError(f"proj_size must be a whole number from 0 to below hidden_size, but got {proj_size!r}")
        if forget_bias is not None and not bias:
            raise ValueError(f"forget_bias needs bias=True, but got bias={bias!r}")
        self.forget_bias, self.proj_size = forget_bias, proj_size
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, *args, **options
        )

    @property
    def kernel(self) -> Kernel:
        return PROJECTED_LSTM if self.proj_size else LSTM_KERNEL

    @property
    def output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def weight_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        projection = {"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {}
        return {**super().weight_shapes(input_size), **projection}

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", proj_size={self.proj_size}" if self.proj_size else "")

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.forget_bias is not None:
            set_forget_bias(self, self.hidden_size, self.forget_bias)
