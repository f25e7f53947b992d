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
from functools import partial
from pathlib import Path
from typing import Any

NODES, EDGES, CHANNELS, HEADS = 50_000, 1_000_000, 16, 4
FRESH = ((6, 12), (100, 300), (200, 1_000), (1_000, 4_000), (2_000, 13_000), (5_000, 50_000))


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


def layers(
    name: str = "GATConv", nodes: int = NODES, edges: int = EDGES, heads: int = HEADS, channels: int = CHANNELS
) -> tuple[Any, Any, Any, Any]:
    import torch
    import torch_geometric.nn as pyg

    from graphreel import gnn

    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(nodes, (2, edges), generator=generator)
    x = torch.randn(nodes, channels * heads, generator=generator)
    ours, theirs = (getattr(room, name)(channels * heads, channels, heads=heads) for room in (gnn, pyg))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, x, edge_index


def step(layer: Any, x: Any, edge_index: Any, **options: Any) -> None:
    layer.zero_grad()
    result = layer(x.detach().requires_grad_(), edge_index, **options)
    (result[0] if options else result).sum().backward()


def layer_step(name: str, sparse: bool = False, **options: Any) -> tuple[float, float]:
    ours, theirs, x, edge_index = layers(name)
    if sparse:
        from torch_geometric.utils import to_torch_csr_tensor

        edge_index = to_torch_csr_tensor(edge_index.flip(0), size=(NODES, NODES))
    sides = [partial(step, layer, x, edge_index, **options) for layer in (ours, theirs)]
    return alternate(sides[0], sides[1], 5)


def fresh_edges(name: str, nodes: int, edges: int, heads: int, channels: int) -> tuple[float, float]:
    """A step with an edge_index that no call has seen before, as mini-batches bring them."""
    ours, theirs, x, edge_index = layers(name, nodes, edges, heads, channels)
    sides = [lambda layer=layer: step(layer, x, edge_index.clone()) for layer in (ours, theirs)]
    return alternate(*sides, max(3, min(60, 4_000_000 // (edges * heads))))


def bfloat16() -> tuple[float, float]:
    import torch

    ours, theirs, x, edge_index = layers()
    ours, theirs, x = ours.to(torch.bfloat16), theirs.to(torch.bfloat16), x.to(torch.bfloat16)
    return alternate(lambda: step(ours, x, edge_index), lambda: step(theirs, x, edge_index), 3)


def memory(name: str) -> tuple[float, float]:
    """MiB that a step needs above the process at rest, each side in a process of its own."""
    found = []
    for side in range(2):
        receive, send = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=_measure_memory, args=(name, side, send))
        process.start()
        found.append(receive.recv())
        process.join()
    return found[0], found[1]


def _measure_memory(name: str, side: int, send: Any) -> None:
    *both, x, edge_index = layers(name)
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

    from graphreel.data import load
    from graphreel.gnn import GAT

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

    steps = 5  # a turn, as a training takes them: one after another, on the caches that the last one left

    def trainer(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], None]:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.005, weight_decay=5e-4)

        def train() -> None:
            for _ in range(steps):
                optimizer.zero_grad()
                out = model(x, graph.edge_index)
                F.cross_entropy(out[graph.train_mask], graph.y[graph.train_mask]).backward()
                optimizer.step()

        return train

    ours = GAT(dense.size(1), 64, 2, 7, dropout=0.6, input_dropout=0.6)
    taken = alternate(trainer(ours, sparse), trainer(Standard(), dense), 15)
    return taken[0] / steps, taken[1] / steps


LINES: dict[str, tuple[Callable[[], tuple[float, float] | None], float, float]] = {
    "layer": (lambda: layer_step("GATConv"), 4.0, 1.8),
    "layer-v2": (lambda: layer_step("GATv2Conv"), 2.0, 1.2),
    "weights": (lambda: layer_step("GATConv", return_attention_weights=True), 4.0, 1.8),
    "weights-v2": (lambda: layer_step("GATv2Conv", return_attention_weights=True), 2.0, 1.2),
    "csr": (lambda: layer_step("GATConv", sparse=True), 4.0, 1.8),
    "csr-v2": (lambda: layer_step("GATv2Conv", sparse=True), 2.0, 1.2),
    "memory": (lambda: memory("GATConv"), 4.0, 4.0),
    "memory-v2": (lambda: memory("GATv2Conv"), 4.0, 4.0),
    "cora": (cora_step, 8.0, 8.0),
    **{
        f"fresh {name[:-4]} {nodes}n {edges}e {heads}x{channels}": (
            partial(fresh_edges, name, nodes, edges, heads, channels),
            0.9,
            0.9,
        )
        for name in ("GATConv", "GATv2Conv")
        for nodes, edges in FRESH
        for heads, channels in ((1, 8), (8, 8))
    },
    "fresh": (partial(fresh_edges, "GATConv", NODES, EDGES, HEADS, CHANNELS), 0.9, 0.9),
    "bf16": (bfloat16, 0.9, 0.9),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--allocator", choices=["default", "tuned"], default="default")
    groups = list(dict.fromkeys(name.split()[0] for name in LINES))
    parser.add_argument("--only", nargs="+", choices=groups, default=groups)
    arguments = parser.parse_args()
    if arguments.allocator == "tuned":
        from graphreel.training.allocator import tune_allocator

        tune_allocator()
    warnings.simplefilter("ignore")
    print(f"{'allocator ' + arguments.allocator:32}{'graphreel':>14}{'PyG':>14}{'ratio':>9}{'bar':>7}")
    chosen = [name for name in LINES if name.split()[0] in arguments.only]
    order = sorted(chosen, key=lambda name: "memory" not in name)  # forks before this process uses threads
    for name in order:
        measure, bar, bar_tuned = LINES[name]
        result = measure()
        if result is None:
            continue
        mine, theirs = result
        unit, scale = ("MiB", 1.0) if "memory" in name else ("ms", 1e3)
        wanted = bar_tuned if arguments.allocator == "tuned" else bar
        figures = f"{mine * scale:10.2f} {unit:3}{theirs * scale:10.2f} {unit:3}"
        print(f"{name:32}{figures}{theirs / mine:8.2f}x{wanted:6.1f}x", flush=True)


if __name__ == "__main__":
    main()
