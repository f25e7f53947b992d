"""Single steps as modules, for streams that come one step at a time: torch.nn's two, and the peephole LSTM's."""

import torch
from torch import Tensor, nn
from torch.nn import GRUCell, LSTMCell

from .initialization import uniform
from .peephole_lstm import PeepholeLSTM

__all__ = ["GRUCell", "LSTMCell", "PeepholeLSTMCell"]


class PeepholeLSTMCell(nn.Module):
    """One step of rnn.PeepholeLSTM, called as torch.nn.LSTMCell; the formulas are the layer's.

    Shapes: those of the layer's weights, named without `_l0`; input [B, I] or [I], h and c [B, H] or [H].

    Args:
        input_size: features I.
        hidden_size: units H.
        bias: with bias vectors bias_ih and bias_hh.
        variant: "gers" or "uva".

    Raises:
        ValueError: an argument is out of its range; in a call, a shape does not fit.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        variant: str = "gers",
    ) -> None:
        super().__init__()
        layer = PeepholeLSTM(input_size, hidden_size, bias=bias, device="meta", variant=variant)
        self.input_size, self.hidden_size, self.bias, self.variant = input_size, hidden_size, bias, variant
        self._step = layer.cell
        for name, shape in layer.weight_shapes(input_size).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch.nn does."""
        for name, parameter in self.named_parameters():
            uniform(name, parameter, self.hidden_size)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(h_t, c_t) from x_t and (h_{t-1}, c_{t-1}), which are zeros if left out."""
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"input must be [{self.input_size}] or [B, {self.input_size}], but got shape {tuple(input.shape)}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        h, c = (input.new_zeros(shape),) * 2 if hx is None else hx
        if h.shape != shape or c.shape != shape:
            raise ValueError(f"hx must be two tensors of shape {shape}, but got {tuple(h.shape)} and {tuple(c.shape)}")
        weights = dict(self.named_parameters())
        if input.dim() == 1:
            (h, c), _ = self._step(input[None], (h[None], c[None]), weights, None)
            return h[0], c[0]
        (h, c), _ = self._step(input, (h, c), weights, None)
        return h, c

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}, variant={self.variant}"
