"""The recurrent cells by name: the one place where a cell registers itself, read without torch by the command line.

Another cell, usable everywhere, is a file in rnn/layers/, its name in rnn/__init__.pyi, and a line in `CELLS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .layers.recurrent import Recurrent


@dataclass(frozen=True)
class RegisteredCell:
    """A layer and the options that make it this cell.

    Attributes:
        layer: "module:Class", the module below this package.
        options: arguments of the class.
        forget_gate: whether it takes `forget_bias`.
    """

    layer: str
    options: Mapping[str, Any] = field(default_factory=dict)
    forget_gate: bool = False

    @property
    def causal(self) -> bool:
        """Whether a step's output depends on no later step, as writing a text needs."""
        return not self.options.get("bidirectional", False)


CELLS = {
    "rnn": RegisteredCell("layers.rnn:RNN"),
    "lstm": RegisteredCell("layers.lstm:LSTM", forget_gate=True),
    "peephole": RegisteredCell("layers.peephole_lstm:PeepholeLSTM", {"variant": "uva"}, forget_gate=True),
    "peephole-gers": RegisteredCell("layers.peephole_lstm:PeepholeLSTM", {"variant": "gers"}, forget_gate=True),
    "gru": RegisteredCell("layers.gru:GRU"),
    "bilstm": RegisteredCell("layers.lstm:LSTM", {"bidirectional": True}, forget_gate=True),
}
CAUSAL_CELLS = tuple(name for name, cell in CELLS.items() if cell.causal)
GATED_CELLS = tuple(name for name, cell in CELLS.items() if cell.forget_gate)


def build_layer(
    name: str, input_size: int, hidden_size: int, *, forget_bias: float | None = None, **options: Any
) -> "Recurrent":
    """The recurrent layer of a cell.

    Args:
        name: of `CELLS`.
        input_size: features of a step.
        hidden_size: units.
        forget_bias: as in rnn.LSTM, for cells with a forget gate.
        options: the layer's other arguments.

    Raises:
        ValueError: an unknown name, a forget bias without a forget gate, or an argument out of its range.
    """
    if name not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, but got {name!r}")
    cell = CELLS[name]
    if forget_bias is not None:
        if not cell.forget_gate:
            raise ValueError(f"forget_bias needs a cell with a forget gate, but got cell={name!r}")
        options["forget_bias"] = forget_bias
    module, _, layer = cell.layer.partition(":")
    made: Recurrent = getattr(import_module(f".{module}", __package__), layer)(
        input_size, hidden_size, **cell.options, **options
    )
    return made
