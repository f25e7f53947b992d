"""The frame around every recurrent layer: parameters, the conventions of torch.nn, layers and directions."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from graphreel.core.checks import check_one_of
from graphreel.core.dropout import check_probability
from graphreel.core.dropout import dropout as drop_out

from ..cells import Cell, State, Weights
from ..kernels.buffer_pool import BufferPool
from ..kernels.compiled import compiled_stack
from ..kernels.dispatch import scan
from ..kernels.frame import Kernel
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.packing import Packing, full_packing, sequence_packing, span_packing, spans_of
from .constructor import whole_signature
from .initialization import INITIALIZATIONS
from .parameter_names import full_name, plain_names
from .torch_stack import packed_stack, torch_stack


class Recurrent(nn.Module):
    """A stack of scanned cells with the calling conventions of torch.nn.LSTM.

    Subclasses give a `kernel`, `state_names` and `gates`, how many blocks of H rows their weights stack.

    Args:
        input_size: features I of each step.
        hidden_size: units H.
        num_layers: each layer reads the outputs of the one below.
        bias: with bias vectors bias_ih and bias_hh.
        batch_first: input and output are [B, T, .] instead of [T, B, .]; states never are.
        dropout: probability of dropping outputs between layers.
        bidirectional: a second set of weights scans backwards; outputs are concatenated.
        initialization: "uniform" (as torch.nn), "orthogonal" or "kaiming"; see graphreel.rnn.layers.initialization.
        recurrent_dropout: probability of dropping a unit from the recurrent products, the same units at every step
            (Gal and Ghahramani, 2016).
        zoneout: probability of keeping a unit's state as it was (Krueger et al., 2017).
        weight_dropout: probability of dropping an entry of the recurrent matrices, drawn once per call (DropConnect as
            in Merity et al., 2018); unlike the two before, it costs next to nothing.
        layer_norm: normalise each step's two products, and the memory on its way to h (Ba et al., 2016).

    Raises:
        ValueError: an argument is out of its range.
    """

    state_names: tuple[str, ...] = ("h_0",)
    gates = 1
    autocast_output = True  # whether autocast on a CPU decides the type of what comes out

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
        initialization: str = "uniform",
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, but got {size!r}")
        rates = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
        for name, rate in (rates | {"zoneout": zoneout, "weight_dropout": weight_dropout}).items():
            check_probability(name, rate)
        check_one_of("initialization", initialization, INITIALIZATIONS)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.recurrent_dropout, self.zoneout = float(dropout), float(recurrent_dropout), float(zoneout)
        self.weight_dropout, self.initialization = float(weight_dropout), initialization
        self.layer_norm = layer_norm
        self.num_directions = 2 if bidirectional else 1
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.output_size * self.num_directions
            for direction in range(self.num_directions):
                for name, shape in self._shapes(width).items():
                    parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(full_name(name, layer, direction), parameter)
        self._buffer_pool = BufferPool(num_layers * self.num_directions)
        self.reset_parameters()
        self.flatten_parameters()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__signature__ = whole_signature(cls)  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:  # older layers carried two functions
        super().__setstate__({name: value for name, value in state.items() if name not in ("cell", "fused")})

    @property
    def kernel(self) -> Kernel:
        """The cell over all steps."""
        raise NotImplementedError

    @property
    def cell(self) -> Cell:
        """One step in plain operations."""
        return self.kernel.cell

    @property
    def output_size(self) -> int:
        """Features of h in one direction."""
        return self.hidden_size

    def zeros(self, x: Tensor, *shape: int) -> State:
        """A state of zeros [*shape, .]."""
        sizes = (self.output_size, self.hidden_size)[: len(self.state_names)]
        return tuple(x.new_zeros(*shape, size) for size in sizes)

    def weight_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of one layer's parameters in one direction, in the order of the state dict."""
        rows = self.gates * self.hidden_size
        biases = {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {}
        return {"weight_ih": (rows, input_size), "weight_hh": (rows, self.output_size), **biases}

    def _shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """`weight_shapes`, and those of the gains and shifts that normalise."""
        shapes = self.weight_shapes(input_size)
        if not self.layer_norm:
            return shapes
        products = [name for name in ("ih", "hh", "ch") if f"weight_{name}" in shapes]
        gains: dict[str, tuple[int, ...]] = {f"norm_{name}": shapes[f"weight_{name}"][:1] for name in products}
        if len(self.state_names) == 2:
            gains |= {"norm_c": (self.hidden_size,)} | ({"bias_c": (self.hidden_size,)} if self.bias else {})
        return shapes | gains

    def layer_weights(self, layer: int, direction: int) -> Weights:
        """One layer's parameters in one direction, named without suffix."""
        return {name: getattr(self, full_name(name, layer, direction)) for name in self._shapes(self.input_size)}

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, as torch.nn's layers list them."""
        places = [(layer, direction) for layer in range(self.num_layers) for direction in range(self.num_directions)]
        return [list(self.layer_weights(*place).values()) for place in places]

    def _dropped(self, weights: Weights) -> Weights:
        recurrent = ("weight_hh", "weight_ch")
        return {
            name: drop_out(weight, self.weight_dropout, self.training) if name in recurrent else weight
            for name, weight in weights.items()
        }

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        initialize = INITIALIZATIONS[self.initialization]
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.startswith("norm"):
                    nn.init.ones_(parameter)
                else:
                    initialize(name, parameter, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Lay the parameters side by side on a GPU, as cuDNN wants them; moving the layer does so by itself."""
        op, projection = self.kernel.torch_op, getattr(self, "proj_size", 0)
        if op is None or self.layer_norm or not next(self.parameters()).is_cuda:
            return
        names = plain_names(self.bias, projection > 0, self.num_layers, self.num_directions)
        shapes = ("bias", "input_size", "hidden_size", "num_layers", "batch_first", "bidirectional")
        layer: Any = SimpleNamespace(
            **{name: getattr(self, name) for name in shapes}, mode=op.upper(), proj_size=projection,
            _flat_weights=[self._parameters.get(name) for name in names], _flat_weights_names=names,
        )  # fmt: skip
        nn.RNNBase.flatten_parameters(layer)

    def _apply(self, *args: Any, **options: Any) -> Self:
        super()._apply(*args, **options)
        self.flatten_parameters()
        return self

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults: dict[str, object] = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        defaults |= {"bidirectional": False, "initialization": "uniform", "recurrent_dropout": 0.0, "zoneout": 0.0}
        defaults |= {"weight_dropout": 0.0, "layer_norm": False}
        changed = ((name, getattr(self, name)) for name, default in defaults.items() if getattr(self, name) != default)
        return text + "".join(f", {name}={value}" for name, value in changed)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | tuple[Tensor, ...] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        padding_side: str = "right",
    ) -> tuple[Tensor | PackedSequence, Tensor | tuple[Tensor, ...]]:
        """Scan the sequences.

        With `lengths`, steps outside a sequence change nothing: its final state is that after its last valid step (the
        reverse direction starts there), and outputs at padding are zero.

        Args:
            input: [T, B, I], with batch_first [B, T, I], unbatched [T, I], or a PackedSequence.
            hx: initial states [num_layers * directions, B, H], one (RNN, GRU) or a pair h_0, c_0 (LSTM, PeepholeLSTM);
                zeros if left out. Unbatched without B.
            lengths: [B] valid steps of each sequence, from 1 to T.
            padding_side: "right" where sequences start at step 0, "left" where they end at step T - 1.

        Returns:
            The last layer's h at every step, in the form of the input with directions * H features, and the final
            states in the form of hx.

        Raises:
            ValueError: a shape, a dtype or a length does not fit.
        """
        if padding_side not in ("left", "right"):
            raise ValueError(f"padding_side must be 'left' or 'right', but got {padding_side!r}")
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths must be left out with a PackedSequence, which brings its own")
            self._check_features(input.data, dims=(2,))
            batch = int(input.batch_sizes[0])
            states = self._initial_states(hx, batch, input.data, unbatched=False)
            if (found := packed_stack(self, input, states)) is not None:
                flat, final = found
            else:
                order = None if input.sorted_indices is None else input.sorted_indices.cpu()
                packings: tuple[Packing, ...] = sequence_packing(input.batch_sizes, order, input.data.device)
                flat, final = self.scan_stack(input.data, packings, states)
            packed = PackedSequence(flat, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
            return packed, self._as_hx(final, unbatched=False)

        self._check_features(input, dims=(2, 3))
        unbatched = input.dim() == 2
        x = input.unsqueeze(1) if unbatched else input.transpose(0, 1) if self.batch_first else input
        steps, batch, width = x.shape
        if steps == 0:
            raise ValueError("input must have at least one step, but got 0")
        states = self._initial_states(hx, batch, x, unbatched)
        found = torch_stack(self, x, states, lengths, padding_side)
        found = found or compiled_stack(self, x, states, lengths, padding_side)
        if found is None:
            if lengths is None:
                packings = full_packing(steps, batch, x.device, self.num_directions)
            else:
                packings = span_packing(*spans_of(lengths, steps, batch, padding_side), steps, x.device)
            flat, final = self.scan_stack(x.reshape(steps * batch, width), packings, states)
            found = flat.view(steps, batch, flat.shape[1]), final
        y, final = found
        y = y.squeeze(1) if unbatched else y.transpose(0, 1) if self.batch_first else y
        return y, self._as_hx(final, unbatched)

    def scan_stack(
        self, flat: Tensor, packings: tuple[Packing, ...], states: State | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All layers and directions over flat rows [rows, I] (see graphreel.rnn.sequence.packing).

        Returns:
            Outputs [rows, directions * H] and the final states [num_layers * directions, B, H].
        """
        finals = []
        batch = packings[0].schedule.batch
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.num_directions):
                index, packing = layer * self.num_directions + direction, packings[direction]
                if states is None:
                    initial = self.zeros(flat, batch)
                else:
                    initial = tuple(packing.sort(part[index]) for part in states)
                x, weights = packing.gather(flat), self._dropped(self.layer_weights(layer, direction))
                scanned, final = self.scan_layer(x, packing.schedule, initial, weights)
                outputs.append(packing.scatter(scanned))
                finals.append(tuple(packing.unsort(part) for part in final))
            flat = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
            if layer + 1 < self.num_layers:
                flat = drop_out(flat, self.dropout, self.training)
        states = tuple(torch.stack(parts) for parts in zip(*finals, strict=True))
        if autocasts(flat) and (self.autocast_output or flat.device.type != "cpu"):  # as torch.nn's layers answer
            dtype = torch.get_autocast_dtype(flat.device.type)
            return flat.to(dtype), tuple(part.to(dtype) for part in states)
        return flat, states

    def scan_layer(
        self, x: Tensor, schedule: BatchSchedule, initial: State, weights: Weights, outputs: bool = True
    ) -> tuple[Tensor, State]:
        """One layer in one direction, with the options of this layer; see graphreel.rnn.kernels.dispatch.

        With outputs=False only the final state is wanted, and h of all steps may be left out.
        """
        drop, zoneout = None, (self.zoneout, self.training)
        if self.recurrent_dropout and self.training:
            drop = drop_out(torch.ones_like(initial[0]), self.recurrent_dropout)
        return scan(self.kernel, self._buffer_pool, x, schedule, initial, weights, outputs, drop, zoneout)

    def _check_features(self, x: Tensor, dims: tuple[int, ...]) -> None:
        if not isinstance(x, Tensor):
            raise ValueError(f"input must be a tensor, but got {type(x).__name__}")
        if x.dim() not in dims:
            expected = " or ".join(map(str, dims))
            raise ValueError(f"input must have {expected} dimensions, but got shape {tuple(x.shape)}")
        if x.shape[-1] != self.input_size:
            raise ValueError(f"input must have {self.input_size} features (input_size), but got {x.shape[-1]}")
        held = self._parameters.get("weight_ih_l0")
        weight: Tensor = getattr(self, full_name("weight_ih", 0, 0)) if held is None else held
        if x.dtype != weight.dtype and not (autocasts(x) and autocasts(weight)):
            raise ValueError(f"input must be {weight.dtype} like the weights, but got {x.dtype}")

    def _initial_states(
        self, hx: Tensor | tuple[Tensor, ...] | None, batch: int, x: Tensor, unbatched: bool
    ) -> State | None:
        if hx is None:
            return None
        parts = (hx,) if len(self.state_names) == 1 else hx
        if not isinstance(parts, (tuple, list)) or len(parts) != len(self.state_names):
            raise ValueError(f"hx must be a pair of tensors (h_0, c_0), but got {type(hx).__name__}")
        depth = self.num_layers * self.num_directions
        states = []
        for name, part, size in zip(self.state_names, parts, (self.output_size, self.hidden_size), strict=False):
            expected = (depth, size) if unbatched else (depth, batch, size)
            if not isinstance(part, Tensor) or tuple(part.shape) != expected:
                got = tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__
                raise ValueError(f"{name} must have shape {expected}, but got {got}")
            if name == "h_0" and part.dtype != x.dtype and not (autocasts(part) and autocasts(x)):
                raise ValueError(f"{name} must be {x.dtype} like the input, but got {part.dtype}")
            states.append(part.unsqueeze(1) if unbatched else part)
        return tuple(states)

    def _as_hx(self, final: tuple[Tensor, ...], unbatched: bool) -> Tensor | tuple[Tensor, ...]:
        final = tuple(part.squeeze(1) for part in final) if unbatched else final
        return final[0] if len(final) == 1 else final


def autocasts(x: Tensor) -> bool:
    """Whether autocast is on and converts this tensor: it leaves float64 alone, and some devices have none."""
    kind, converts = x.device.type, x.is_floating_point() and x.dtype != torch.float64
    return converts and torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
