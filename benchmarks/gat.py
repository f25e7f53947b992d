"""Graph attention beside PyTorch Geometric's: speed, memory, a training step on Cora, fresh edges, bfloat16.

python -m benchmarks.gat [--allocator default|tuned] [--only LINE ...]
"""

import argparse
import multiprocessing
import os
import statistics
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

NODES, EDGES, CHANNELS, HEADS = 50_000, 1_000_000, 16, 4


def alternate(ours: Callable[[], Any], theirs: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Median seconds of both sides, warmed up and run in turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 2):
        for side, work in enumerate((ours, theirs)):
            start = time.perf_counter()
            work()
            if run >= 2:
                seconds[side].append(time.perf_counter() - start)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def layers(name: str = "GATConv") -> tuple[Any, Any, Any, Any]:
    import torch
    import torch_geometric.nn as pyg

    import gnn

    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(NODES, (2, EDGES), generator=generator)
    x = torch.randn(NODES, CHANNELS * HEADS, generator=generator)
    ours, theirs = (getattr(room, name)(CHANNELS * HEADS, CHANNELS, heads=HEADS) for room in (gnn, pyg))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, x, edge_index


def step(layer: Any, x: Any, edge_index: Any) -> None:
    layer.zero_grad()
    layer(x.detach().requires_grad_(), edge_index).sum().backward()


def layer_step(name: str) -> tuple[float, float]:
    ours, theirs, x, edge_index = layers(name)
    return alternate(lambda: step(ours, x, edge_index), lambda: step(theirs, x, edge_index), 5)


def fresh_edges() -> tuple[float, float]:
    ours, theirs, x, edge_index = layers()
    return alternate(lambda: step(ours, x, edge_index.clone()), lambda: step(theirs, x, edge_index.clone()), 3)


def bfloat16() -> tuple[float, float]:
    import torch

    ours, theirs, x, edge_index = layers()
    ours, theirs, x = ours.to(torch.bfloat16), theirs.to(torch.bfloat16), x.to(torch.bfloat16)
    return alternate(lambda: step(ours, x, edge_index), lambda: step(theirs, x, edge_index), 3)


def memory() -> tuple[float, float]:
    """MiB that a step needs above the process at rest, each side in a process of its own."""
    found = []
    for side in range(2):
        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_measure_memory, args=(side, send))
        process.start()
        found.append(receive.recv())
        process.join()
    return found[0], found[1]


def _measure_memory(side: int, send: Any) -> None:
    *both, x, edge_index = layers()
    few = edge_index[:, :100].clone()
    step(both[side], x[:100], few % 100)
    rest, peak, done = _resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, _resident())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(2):
        step(both[side], x, edge_index)
    done.set()
    watcher.join()
    send.send(peak - rest)


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cora_step() -> tuple[float, float] | None:
    import torch
    import torch.nn.functional as F
    import torch_geometric.nn as pyg

    from data import load
    from gnn import GAT

    if "GRAPHREEL_DATA" not in os.environ:
        print("cora: skipped, GRAPHREEL_DATA is not set")
        return None
    graph = load("cora")
    dense = graph.x.to_dense() if graph.x.layout != torch.strided else graph.x
    sparse = dense.to_sparse_csr()

    class Standard(torch.nn.Module):
        """As in PyTorch Geometric's example of this network."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1 = pyg.GATConv(dense.size(1), 8, heads=8, dropout=0.6)
            self.conv2 = pyg.GATConv(64, 7, heads=1, concat=False, dropout=0.6)

        def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
            x = F.elu(self.conv1(F.dropout(x, p=0.6, training=self.training), edge_index))
            return self.conv2(F.dropout(x, p=0.6, training=self.training), edge_index)

    def trainer(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], None]:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=5e-4)

        def train() -> None:
            optimizer.zero_grad()
            out = model(x, graph.edge_index)
            F.cross_entropy(out[graph.train_mask], graph.y[graph.train_mask]).backward()
            optimizer.step()

        return train

    ours = GAT(dense.size(1), 64, 2, 7, dropout=0.6, input_dropout=0.6)
    return alternate(trainer(ours, sparse), trainer(Standard(), dense), 30)


LINES: dict[str, tuple[Callable[[], tuple[float, float] | None], float, float]] = {
    "layer": (lambda: layer_step("GATConv"), 4.0, 1.8),
    "layer-v2": (lambda: layer_step("GATv2Conv"), 0.9, 0.9),
    "memory": (memory, 4.0, 4.0),
    "cora": (cora_step, 8.0, 8.0),
    "fresh": (fresh_edges, 0.9, 0.9),
    "bf16": (bfloat16, 0.9, 0.9),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--allocator", choices=["default", "tuned"], default="default")
    parser.add_argument("--only", nargs="+", choices=list(LINES), default=list(LINES))
    arguments = parser.parse_args()
    if arguments.allocator == "tuned":
        from graphreel.allocator import tune_allocator

        tune_allocator()
    warnings.simplefilter("ignore")
    print(f"{'allocator ' + arguments.allocator:24}{'graphreel':>14}{'PyG':>14}{'ratio':>9}{'bar':>7}")
    order = sorted(arguments.only, key=lambda name: name != "memory")  # forks before this process uses threads
    for name in order:
        measure, bar, bar_tuned = LINES[name]
        result = measure()
        if result is None:
            continue
        mine, theirs = result
        unit, scale = ("MiB", 1.0) if name == "memory" else ("ms", 1e3)
        wanted = bar_tuned if arguments.allocator == "tuned" else bar
        figures = f"{mine * scale:10.1f} {unit:3}{theirs * scale:10.1f} {unit:3}"
        print(f"{name:24}{figures}{theirs / mine:8.2f}x{wanted:6.1f}x", flush=True)


if __name__ == "__main__":
    main()
