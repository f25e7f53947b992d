import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.nn import GCNConv

from graphreel.combined import TGCN
from graphreel.gnn.kernels.dispatch import use_path

EDGES = torch.tensor([[0, 1, 2, 2, 3, 3, 0], [1, 2, 0, 3, 3, 1, 1]])  # a loop, a duplicate edge; node 4 is isolated
WEIGHTS = torch.tensor([0.5, 1.5, 2.0, 0.3, 0.7, 1.1, 0.9], dtype=torch.float64)


class AsPublished(nn.Module):
    """The step as PyTorch Geometric Temporal writes it, with PyG's layers."""

    def __init__(self, in_channels: int, out_channels: int, **options: bool) -> None:
        super().__init__()
        for gate in "zrh":
            self.add_module(f"conv_{gate}", GCNConv(in_channels, out_channels, **options))
            self.add_module(f"linear_{gate}", nn.Linear(2 * out_channels, out_channels))

    def gate(self, name: str, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, h: Tensor) -> Tensor:
        conv, linear = getattr(self, f"conv_{name}"), getattr(self, f"linear_{name}")
        return linear(torch.cat([conv(x, edge_index, edge_weight), h], dim=-1))

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, h: Tensor) -> Tensor:
        z = torch.sigmoid(self.gate("z", x, edge_index, edge_weight, h))
        r = torch.sigmoid(self.gate("r", x, edge_index, edge_weight, h))
        return z * h + (1 - z) * torch.tanh(self.gate("h", x, edge_index, edge_weight, h * r))


def pair(features: int = 2, hidden: int = 4, **options: bool) -> tuple[TGCN, AsPublished]:
    torch.manual_seed(0)
    theirs = AsPublished(features, hidden, **options).double()
    for gate in "zrh":
        nn.init.normal_(getattr(theirs, f"conv_{gate}").bias)
    ours = TGCN(features, hidden, **options).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("features", [1, 2, 7])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("options", [{}, {"improved": True}, {"add_self_loops": False}, {"cached": True}])
def test_equals_the_published_step_gradients_included(features: int, weighted: bool, options: dict[str, bool]) -> None:
    ours, theirs = pair(features, **options)
    x = torch.randn(6, 5, features, dtype=torch.float64, requires_grad=True)
    start = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight = WEIGHTS if weighted else None
    steps, h = [], start
    for step in x:
        h = theirs(step, EDGES, weight, h)
        steps.append(h)
    wanted = torch.stack(steps)
    cotangent = torch.randn_like(wanted)
    told = ours.over_time(x, EDGES, weight, start)
    assert_close(told, wanted, rtol=1e-10, atol=1e-12)
    assert_close(ours.over_time(x, EDGES, weight, start, every_step=False), wanted[-1], rtol=1e-10, atol=1e-12)
    names = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(names)
    got = torch.autograd.grad((told * cotangent).sum(), [x, start, *ours.parameters()])
    want = torch.autograd.grad((wanted * cotangent).sum(), [x, start, *names.values()])
    for one, other in zip(got, want, strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_one_step_after_the_other_is_all_steps_at_once() -> None:
    ours, _ = pair()
    x = torch.randn(5, 5, 2, dtype=torch.float64)
    h = None
    for step, wanted in zip(x, ours.over_time(x, EDGES, WEIGHTS), strict=True):
        h = ours(step, EDGES, WEIGHTS, h)
        assert_close(h, wanted)


def test_windows_go_their_own_way() -> None:
    ours, _ = pair()
    x, start = torch.randn(6, 3, 5, 2, dtype=torch.float64), torch.randn(3, 5, 4, dtype=torch.float64)
    together = ours.over_time(x, EDGES, WEIGHTS, start)
    for window in range(3):
        assert_close(together[:, window], ours.over_time(x[:, window], EDGES, WEIGHTS, start[window]))


def test_copies_and_pickles_answer_alike() -> None:
    ours, _ = pair()
    x = torch.randn(6, 5, 2, dtype=torch.float64)
    wanted = ours.over_time(x, EDGES)
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert_close(other.over_time(x, EDGES), wanted)


def test_a_layer_of_pytorch_geometric_temporal_gives_its_weights() -> None:
    peer = pytest.importorskip("torch_geometric_temporal.nn.recurrent").TGCN(3, 8)
    ours = TGCN(3, 8)
    ours.load_state_dict(peer.state_dict())
    x, h = torch.randn(7, 5, 3), None
    for step, told in zip(x, ours.over_time(x, EDGES, WEIGHTS.float()), strict=True):
        h = peer(step, EDGES, WEIGHTS.float(), h)
        assert_close(told, h, rtol=1e-4, atol=1e-5)


def test_bad_input_is_named() -> None:
    ours, _ = pair()
    x = torch.randn(6, 5, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="in_channels must be a positive integer, got -1"):
        TGCN(-1, 4)
    with pytest.raises(ValueError, match=r"x must have 2 features \(in_channels\), got 3"):
        ours.over_time(torch.randn(6, 5, 3, dtype=torch.float64), EDGES)
    with pytest.raises(ValueError, match=r"x must be \[steps, ..., nodes, features\] and not be empty, got \[5, 2\]"):
        ours.over_time(x[0], EDGES)
    with pytest.raises(ValueError, match=r"X must be \[..., nodes, features\], got \[2\]"):
        ours(x[0, 0], EDGES)
    with pytest.raises(ValueError, match=r"x must be torch\.float64 like the weights, got torch\.float32"):
        ours(x[0].float(), EDGES)
    with pytest.raises(ValueError, match=r"H must be \[5, 4\], got \[4\]"):
        ours(x[0], EDGES, None, torch.zeros(4, dtype=torch.float64))


def test_edge_weights_stepped_by_a_fused_optimizer_are_seen():
    ours, theirs = pair()
    x, weights = torch.randn(5, 2, dtype=torch.float64), WEIGHTS.clone().requires_grad_()
    optimizer = torch.optim.AdamW([weights], lr=0.1, fused=True)
    for _ in range(3):
        with torch.no_grad(), use_path("csr"):
            assert_close(ours(x, EDGES, weights), theirs(x, EDGES, weights, torch.zeros(5, 4, dtype=torch.float64)))
        ours(x, EDGES, weights).square().sum().backward()
        optimizer.step()
