"""The temporal graph convolutional network's recurrent unit (T-GCN): a GRU whose inputs are graph convolutions."""

import torch
from torch import Tensor, nn

from graphreel.gnn import GCNConv
from graphreel.rnn.cells import Weights
from graphreel.rnn.kernels.buffer_pool import BufferPool
from graphreel.rnn.kernels.dispatch import scan
from graphreel.rnn.kernels.gru_uva import GRU_UVA
from graphreel.rnn.layers.recurrent import autocasts
from graphreel.rnn.sequence.batch_schedule import BatchSchedule


class TGCN(nn.Module):
    r"""The gated recurrent unit of `T-GCN (Zhao et al., 2020) <https://arxiv.org/abs/1811.05320>`_, a drop-in for
    PyTorch Geometric Temporal's, and over all steps at once.

    .. math::
        Z, R = \sigma([\hat A X_t W_{z,r} + b_{z,r} \,|\, H_{t-1}]\, L_{z,r} + l_{z,r}), \quad
        \tilde H = \tanh([\hat A X_t W_h + b_h \,|\, R H_{t-1}]\, L_h + l_h), \quad
        H_t = Z H_{t-1} + (1 - Z) \tilde H

    Nothing but linear maps lies between X and the gates. So X is averaged over the graph once for all steps and gates,
    and W and L are multiplied with one another instead of with every node at every step: what remains is one GRU with F
    inputs per node. Arguments, state dict and results are those of torch_geometric_temporal.nn.recurrent.TGCN, which
    for [N, F] and the same weights agrees up to rounding.

    Shapes: X [..., N, F], edge_index [2, E], edge_weight [E], H [..., N, out_channels].

    Args:
        in_channels: features F of a node.
        out_channels: units of a node's state.
        improved, cached, add_self_loops: of the graph convolution, see gnn.GCNConv.

    Raises:
        ValueError: sizes that are no positive integers; in a call, shapes that do not fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__()
        for name, size in (("in_channels", in_channels), ("out_channels", out_channels)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.improved, self.cached, self.add_self_loops = improved, cached, add_self_loops
        options = {"improved": improved, "cached": cached, "add_self_loops": add_self_loops}
        for gate in ("z", "r", "h"):
            self.add_module(f"conv_{gate}", GCNConv(in_channels, out_channels, **options))
            self.add_module(f"linear_{gate}", nn.Linear(2 * out_channels, out_channels))
        self.averaging = GCNConv(in_channels, in_channels, bias=False, **options)
        self.averaging.lin = nn.Identity()
        self._buffer_pool = BufferPool()

    @property
    def input_size(self) -> int:
        """F, by the name that the recurrent layers of `rnn` give it."""
        return self.in_channels

    def forward(
        self, X: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, H: Tensor | None = None
    ) -> Tensor:
        """One step: the new state [..., N, out_channels]; H is zero if left out."""
        if X.dim() < 2:
            raise ValueError(f"X must be [..., nodes, features], got {list(X.shape)}")
        return self.over_time(X[None], edge_index, edge_weight, H, every_step=False)

    def over_time(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        every_step: bool = True,
    ) -> Tensor:
        """All steps on one graph.

        Args:
            x: [T, ..., N, F]; what stands between steps and nodes (windows, say) goes its own way.
            H: [..., N, out_channels], the state to start from; zero if left out.

        Returns:
            The states [T, ..., N, out_channels], or without every_step the last one, [..., N, out_channels].
        """
        if x.dim() < 3 or 0 in x.shape:
            raise ValueError(f"x must be [steps, ..., nodes, features] and not be empty, got {list(x.shape)}")
        return self.recur(self.averaging(x, edge_index, edge_weight), H, every_step)

    def recur(self, averaged: Tensor, H: Tensor | None = None, every_step: bool = True) -> Tensor:
        """The same from what `averaging`, the product with the normalised adjacency, has made of x."""
        *lead, features = averaged.shape
        if features != self.in_channels:
            raise ValueError(f"x must have {self.in_channels} features (in_channels), got {features}")
        weight = next(self.parameters())
        if averaged.dtype != weight.dtype and not (autocasts(averaged) and autocasts(weight)):
            raise ValueError(f"x must be {weight.dtype} like the weights, got {averaged.dtype}")
        steps, *places = lead
        shape = [*places, self.out_channels]
        if H is not None and list(H.shape) != shape:
            raise ValueError(f"H must be {shape}, got {list(H.shape)}")
        flat = averaged.reshape(-1, self.in_channels)
        rows = len(flat) // steps
        state = flat.new_zeros(rows, self.out_channels) if H is None else H.reshape(rows, self.out_channels)
        schedule = BatchSchedule((rows,) * steps)
        states, (last,) = scan(GRU_UVA, self._buffer_pool, flat, schedule, (state,), self.as_gru(), every_step)
        return states.view(steps, *shape) if every_step else last.view(shape)

    def as_gru(self) -> Weights:
        """The weights of the GRU (rnn.GRU with variant="uva") that reads the averaged features."""
        hidden = self.out_channels
        found: dict[str, list[Tensor]] = {"weight_ih": [], "weight_hh": [], "bias_ih": []}
        for gate, sign in (("r", 1), ("z", -1), ("h", 1)):  # z weighs the old state here, the new one there
            conv, linear = getattr(self, f"conv_{gate}"), getattr(self, f"linear_{gate}")
            of_x, of_h = linear.weight[:, :hidden], linear.weight[:, hidden:]
            found["weight_ih"].append(sign * (of_x @ conv.lin.weight))
            found["weight_hh"].append(sign * of_h)
            found["bias_ih"].append(sign * (of_x @ conv.bias + linear.bias))
        weights = {name: torch.cat(parts) for name, parts in found.items()}
        return weights | {"bias_hh": torch.zeros_like(weights["bias_ih"])}
