"""No remembered value outlives a write: edge weights learned or written over by any documented means of torch."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from graphreel import gnn
from graphreel.gnn.kernels.dispatch import use_path


class Weighted(nn.Module):
    """A convolution whose edge weights are learned."""

    def __init__(self, conv: nn.Module, num_edges: int) -> None:
        super().__init__()
        self.conv = conv
        self.edge_weight = nn.Parameter(torch.linspace(0.5, 1.5, num_edges))

    def forward(self, x: Tensor, edge_index: Tensor, view: Tensor | None = None) -> Tensor:
        return self.conv(x, edge_index, self.edge_weight if view is None else view)


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    f"{kind.__name__}-{how}": lambda parameters, kind=kind, how=how: kind(parameters, lr=0.1, **{how: True})
    for kind, ways in (
        (torch.optim.Adam, ("fused", "foreach")),
        (torch.optim.AdamW, ("fused", "foreach")),
        (torch.optim.SGD, ("fused", "foreach")),
        (torch.optim.Adagrad, ("fused", "foreach")),
        (torch.optim.RMSprop, ("foreach",)),
    )
    for how in ways
}


def _optimizer(make: Callable[[Any], torch.optim.Optimizer]) -> Callable[[Weighted, Tensor, Tensor], None]:
    def write(model: Weighted, x: Tensor, edge_index: Tensor) -> None:
        optimizer = make(model.parameters())
        model(x, edge_index).square().mean().backward()
        optimizer.step()

    return write


def _data(model: Weighted, *_: Any) -> None:
    model.edge_weight.data.mul_(1.7)


def _copy(model: Weighted, *_: Any) -> None:
    with torch.no_grad():
        model.edge_weight.copy_(model.edge_weight.flip(0))


def _foreach(model: Weighted, *_: Any) -> None:
    with torch.no_grad():
        torch._foreach_mul_([model.edge_weight], 0.3)


def _swap(model: Weighted, *_: Any) -> None:
    torch.utils.swap_tensors(model.edge_weight, nn.Parameter(model.edge_weight.detach().flip(0)))


def _load(model: Weighted, *_: Any) -> None:
    state = {name: 0.5 * value for name, value in copy.deepcopy(model).state_dict().items()}
    model.load_state_dict(state, assign=True)


def _load_over(model: Weighted, *_: Any) -> None:
    model.load_state_dict({name: 0.5 * value for name, value in copy.deepcopy(model).state_dict().items()})


def _average(model: Weighted, *_: Any) -> None:
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    with torch.no_grad():
        ema(list(model.parameters()), [parameter * 2 for parameter in model.parameters()], torch.tensor(1))


WRITES = {
    **{name: _optimizer(make) for name, make in OPTIMIZERS.items()},
    "data": _data,
    "copy_": _copy,
    "foreach": _foreach,
    "swap_tensors": _swap,
    "load_state_dict(assign=True)": _load,
    "load_state_dict": _load_over,
    "exponential moving average": _average,
}


@pytest.mark.parametrize("view", ["parameter", "detach", "data"])
@pytest.mark.parametrize("path", ["csr", "edge_list"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_seen(write, path, view, everything):
    """`view` is one tensor object for all calls, as whoever evaluates again and again has it."""
    torch.manual_seed(0)
    x, edge_index = torch.randn(7, 3), everything.edge_index
    theirs = Weighted(pyg.GCNConv(3, 4), edge_index.size(1))
    ours = Weighted(gnn.GCNConv(3, 4), edge_index.size(1))
    ours.load_state_dict(theirs.state_dict())
    results = []
    with use_path(path):
        for model in (ours, theirs):
            weight = model.edge_weight
            kept = {"parameter": None, "detach": weight.detach(), "data": weight.data}[view]
            outs = []
            for _ in range(3):
                with torch.no_grad():
                    outs.append(model(x, edge_index, kept))
                write(model, x, edge_index)
            results.append(torch.stack(outs))
    torch.testing.assert_close(*results)
    if view == "parameter":
        assert not torch.allclose(results[0][0], results[0][1])


def test_values_of_a_sparse_adjacency_written_past_the_counter_are_seen(everything):
    conv = gnn.GCNConv(3, 4).double()
    weight = torch.rand(8, dtype=torch.float64)
    coo = torch.sparse_coo_tensor(everything.edge_index.flip(0), weight, (7, 7), check_invariants=True)
    adjacency = coo.coalesce().to_sparse_csr()
    x = torch.randn(7, 3, dtype=torch.float64)
    with use_path("csr"):
        before = conv(x, adjacency)
        adjacency.values().data.mul_(torch.linspace(1, 3, adjacency.values().numel(), dtype=torch.float64))
        after = conv(x, adjacency)
        torch.testing.assert_close(after, conv(x, adjacency.clone()))
    assert not torch.allclose(before, after)


def test_sparse_features_written_past_the_counter_are_seen():
    conv = gnn.GCNConv(5, 4, bias=False)
    x, edge_index = torch.eye(5).to_sparse_csr(), torch.tensor([[0, 1, 2], [1, 2, 0]])
    gradients = []
    for _ in range(2):
        (gradient,) = torch.autograd.grad(conv(x, edge_index).sum(), conv.lin.weight)
        gradients.append(gradient)
        x.values().data.mul_(2)
    torch.testing.assert_close(gradients[1], 2 * gradients[0])
