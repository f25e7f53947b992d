"""GCNConv beside PyG's and beside the products that it cannot do without: forward and backward, medians.

python -m benchmarks.gcn [--only layer csr floor ...] [--allocator default|tuned]
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GCNConv as PyGGCNConv
from torch_geometric.utils import to_torch_csr_tensor

from benchmarks.side_by_side import Line, arguments, medians, print_lines
from graphreel.gnn import GCN, GCNConv
from graphreel.gnn.adjacency import normalize_values
from graphreel.gnn.kernels.csr import to_csr
from graphreel.gnn.kernels.spmm import SparseMatrix


def step(conv: nn.Module, x: Tensor, grad: Tensor, graph: Callable[[], Tensor]) -> Callable[[], object]:
    """Forward and backward, gradients in the features and the parameters."""

    def run() -> None:
        x.grad = None
        conv.zero_grad(set_to_none=True)
        conv(x, graph()).backward(grad)

    return run


def products(edge_index: Tensor, x: Tensor, grad: Tensor) -> Callable[[], object]:
    """The floor: two sparse and three dense products into buffers that are there already, and nothing else."""
    num_nodes, width = x.shape
    edges = to_csr(edge_index, num_nodes, self_loops=True)
    matrix = SparseMatrix(edges, normalize_values(edges, None, dtype=x.dtype))
    weight, x = torch.randn(width, width), x.detach()
    gathered, out, back, grad_x = (torch.empty_like(x) for _ in range(4))
    grad_weight = torch.empty_like(weight)

    def run() -> None:
        torch.addmm(gathered, matrix.compressed, x, beta=0, out=gathered)
        torch.mm(gathered, weight.t(), out=out)
        torch.mm(grad.t(), gathered, out=grad_weight)
        torch.mm(grad, weight, out=back)
        torch.addmm(grad_x, matrix.transposed, back, beta=0, out=grad_x)

    return run


def random_graph(num_nodes: int, num_edges: int, width: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """edge_index, x that requires a gradient, and a gradient of the result."""
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator)
    x = torch.randn(num_nodes, width, generator=generator).requires_grad_()
    return edge_index, x, torch.randn(num_nodes, width, generator=generator)


def layer() -> Iterator[Line]:
    edge_index, x, grad = random_graph(50_000, 1_000_000)
    ours = step(GCNConv(64, 64), x, grad, lambda: edge_index)
    theirs = step(PyGGCNConv(64, 64, cached=True), x, grad, lambda: edge_index)
    yield Line("50k nodes, 1M edges, 64 -> 64; PyG cached, edge_index", *medians(ours, theirs), "12x")


def csr() -> Iterator[Line]:
    edge_index, x, grad = random_graph(50_000, 1_000_000)
    adjacency = to_torch_csr_tensor(edge_index.flip(0), size=(50_000, 50_000))
    ours = step(GCNConv(64, 64), x, grad, lambda: edge_index)
    theirs = step(PyGGCNConv(64, 64, cached=True), x, grad, lambda: adjacency)
    yield Line("the same; PyG cached, sparse CSR adjacency", *medians(ours, theirs), "2x")
    ours = step(GCNConv(64, 64), x, grad, lambda: adjacency)
    yield Line("the same; both a sparse CSR adjacency", *medians(ours, theirs), "2x")


def floor() -> Iterator[Line]:
    edge_index, x, grad = random_graph(50_000, 1_000_000)
    ours = step(GCNConv(64, 64), x, grad, lambda: edge_index)
    yield Line("the same; raw products alone", *medians(ours, products(edge_index, x, grad)), "at most 1.25 floors")


def large() -> Iterator[Line]:
    edge_index, x, grad = random_graph(500_000, 10_000_000)
    ours = step(GCNConv(64, 64), x, grad, lambda: edge_index)
    result = medians(ours, products(edge_index, x, grad), seconds=40)
    yield Line("500k nodes, 10M edges, 64 -> 64; raw products alone", *result, "at most 1.3 floors")


def fresh() -> Iterator[Line]:
    """A new edge_index on every call, as mini-batches bring them."""
    sizes = ((6, 12), (100, 300), (200, 1_000), (1_000, 4_000), (2_000, 13_000), (5_000, 50_000), (50_000, 1_000_000))
    for num_nodes, num_edges in sizes:
        for width in (1, 8, 64) if num_edges < 100_000 else (64,):
            for weight in (None, torch.rand(num_edges)):
                edge_index, x, grad = random_graph(num_nodes, num_edges, width)
                sides = []
                for kind in (GCNConv, PyGGCNConv):
                    conv: nn.Module = kind(width, width)
                    conv = conv if weight is None else _Weighted(conv, weight)
                    sides.append(step(conv, x, grad, edge_index.clone))
                name = f"fresh, {num_nodes} nodes, {num_edges} edges, {width} -> {width}"
                yield Line(name + (", weighted" if weight is not None else ""), *medians(*sides, seconds=2), "0.9x")


class _Weighted(nn.Module):
    def __init__(self, conv: nn.Module, weight: Tensor) -> None:
        super().__init__()
        self.conv, self.weight = conv, weight

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        out: Tensor = self.conv(x, edge_index, self.weight.clone())
        return out


def bf16() -> Iterator[Line]:
    edge_index, x, grad = random_graph(10_000, 100_000)
    x, grad = x.detach().bfloat16().requires_grad_(), grad.bfloat16()
    ours = step(GCNConv(64, 64).bfloat16(), x, grad, lambda: edge_index)
    theirs = step(PyGGCNConv(64, 64).bfloat16(), x, grad, lambda: edge_index)
    yield Line("bf16, 10k nodes, 100k edges, 64 -> 64", *medians(ours, theirs), "0.9x")


def cora() -> Iterator[Line]:
    x, y, edge_index, train_mask, name = _cora()
    ours = GCN(x.size(1), 16, 2, 7, dropout=0.5, input_dropout=0.5)
    theirs = _StandardGCN(x.size(1))
    sides = []
    for model, features in ((ours, x.to_sparse_csr()), (theirs, x)):
        sides.append(_training_step(model, features, y, edge_index, train_mask))
    yield Line(f"a training step of the paper's GCN, {name}", *medians(*sides), "15x")


class _StandardGCN(nn.Module):
    """The paper's network as PyG's own example writes it."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([PyGGCNConv(in_channels, 16, cached=True), PyGGCNConv(16, 7, cached=True)])

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.convs[0](x, edge_index).relu()
        x = F.dropout(x, p=0.5, training=self.training)
        out: Tensor = self.convs[1](x, edge_index)
        return out


def _training_step(
    model: nn.Module, x: Tensor, y: Tensor, edge_index: Tensor, train_mask: Tensor
) -> Callable[[], object]:
    first, second = model.convs  # type: ignore[misc]
    groups = [{"params": first.parameters(), "weight_decay": 5e-4}, {"params": second.parameters()}]
    optimizer = torch.optim.Adam(groups, lr=0.01)

    def run() -> None:
        model.train()
        optimizer.zero_grad()
        out = model(x, edge_index)
        F.cross_entropy(out[train_mask], y[train_mask]).backward()
        optimizer.step()

    return run


def _cora() -> tuple[Tensor, Tensor, Tensor, Tensor, str]:
    """Cora where its files are found, else random data of its shape."""
    folder = os.environ.get("GRAPHREEL_DATA")
    if folder and Path(folder, "Cora", "raw").is_dir():
        from graphreel.data import load

        cora = load("cora")
        return cora.x, cora.y, cora.edge_index, cora.train_mask, "Cora"
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(2708, 1433, generator=generator) < 0.0127).float()
    x = x / x.sum(1, keepdim=True).clamp(min=1)
    half = torch.randint(2708, (2, 5278), generator=generator)
    train_mask = torch.arange(2708) < 140
    edge_index = torch.cat([half, half.flip(0)], dim=1)
    return x, torch.randint(7, (2708,), generator=generator), edge_index, train_mask, "random data of Cora's shape"


LINES = {"layer": layer, "csr": csr, "floor": floor, "cora": cora, "fresh": fresh, "bf16": bf16, "large": large}


def main() -> None:
    chosen = arguments(LINES, "GCNConv beside PyG's and beside its raw products.")
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen.allocator} allocator")
    print_lines(line for name in chosen.only or LINES for line in LINES[name]())


if __name__ == "__main__":
    main()
