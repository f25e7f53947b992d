"""`graphreel.accelerate` on PyG's examples gcn.py and gat.py and on an LSTM: python -m benchmarks.accelerate

A step is forward, backward and Adam, on Cora where $GRAPHREEL_DATA holds it, else on random data of its shape.
"""

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
import torch_geometric.nn as pyg
from torch import Tensor, nn

from benchmarks.gcn import _cora
from benchmarks.side_by_side import Line, arguments, medians, print_lines
from graphreel import accelerate


class GCN(nn.Module):
    """examples/gcn.py of PyG."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = pyg.GCNConv(channels, 16, cached=True)
        self.conv2 = pyg.GCNConv(16, 7, cached=True)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.conv1(x, edge_index).relu()
        x = F.dropout(x, p=0.5, training=self.training)
        out: Tensor = self.conv2(x, edge_index)
        return out


class GAT(nn.Module):
    """examples/gat.py of PyG."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = pyg.GATConv(channels, 8, heads=8, dropout=0.6)
        self.conv2 = pyg.GATConv(64, 7, heads=1, concat=False, dropout=0.6)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        x = F.dropout(x, p=0.6, training=self.training)
        x = F.elu(self.conv1(x, edge_index))
        x = F.dropout(x, p=0.6, training=self.training)
        out: Tensor = self.conv2(x, edge_index)
        return out


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(64, 256, batch_first=True), nn.Linear(256, 7)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(x)[0][:, -1])
        return out


def training(model: nn.Module, y: Tensor, mask: Tensor, *inputs: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

    def run() -> None:
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(*inputs)[mask], y[mask]).backward()
        optimizer.step()

    return run


def lines() -> Iterator[Line]:
    x, y, edge_index, mask, name = _cora()
    x = x.to_dense() if x.layout != torch.strided else x
    everyone, classes = torch.arange(256), torch.randint(7, (256,))
    cases = (
        (f"GCN of PyG's examples, {name}", GCN(x.size(1)), y, mask, (x, edge_index)),
        (f"GAT of PyG's examples, {name}", GAT(x.size(1)), y, mask, (x, edge_index)),
        ("LSTM classifier, T=41, batch 256, 64 -> 256", Classifier(), classes, everyone, (torch.randn(256, 41, 64),)),
    )
    for work, model, target, rows, inputs in cases:
        ours = accelerate(copy.deepcopy(model), sample=inputs)
        sides = [training(side, target, rows, *inputs) for side in (ours, model)]
        yield Line(work, *medians(*sides, seconds=10), "")


def main() -> None:
    arguments(["all"], "accelerate() on other people's models.")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print_lines(lines())


if __name__ == "__main__":
    main()
