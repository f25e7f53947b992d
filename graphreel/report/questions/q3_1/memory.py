"""How much memory a GCN's training takes beyond the graph itself: on the whole graph, and on sampled neighbourhoods."""

import itertools
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

FEATURES, HIDDEN, CLASSES, NODES_PER_EDGE, BATCH, FAN_OUT = 64, 64, 4, 0.1, 1024, (15, 10)
KINDS = ("full", "sampled")
RESOLUTION = 2.0  # MB; Linux counts a process's pages in batches for each thread, so that less is noise


def measure_apart(kind: str, edges: int) -> dict[str, float]:
    """`measure` in a process of its own, so that nothing that came before counts."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, kind, edges).result()


def measure(kind: str, edges: int) -> dict[str, float]:
    """Train a few steps on a random graph in this process.

    Args:
        kind: "full", or "sampled" in batches of 1024 nodes with 15 and 10 neighbours.
        edges: of the graph, which has a tenth as many nodes with 64 features each.

    Returns:
        "resting": MB that the process holds with the graph loaded; "above": its peak beyond that, the sampler's sorted
        edges and the optimiser included; "step": median milliseconds of a step; "sampling": those of them in which its
        neighbourhoods were drawn.

    Raises:
        ValueError: another kind.
        OSError: this system does not tell a process's memory in /proc.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    import torch

    from graphreel.data import load
    from graphreel.gnn import GCN
    from graphreel.training.allocator import give_memory_back

    graph = load("random-graph", num_nodes=int(edges * NODES_PER_EDGE), num_edges=edges, num_features=FEATURES)
    torch.manual_seed(0)
    model = GCN(FEATURES, HIDDEN, 2, CLASSES)
    give_memory_back()  # what making the graph took would hide what training takes
    resting = _megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step(batch: Any, seeds: Any) -> None:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch.x, batch.edge_index)[seeds], batch.y[seeds])
        loss.backward()
        optimizer.step()

    seconds, sampling = [], []
    if kind == "full":
        for _ in range(4):
            begin = time.perf_counter()
            step(graph, graph.train_mask)
            seconds.append(time.perf_counter() - begin)
    else:
        from graphreel.data.graphs.neighbor_loader import neighbor_loader

        generator = torch.Generator().manual_seed(0)
        loader = neighbor_loader(graph, FAN_OUT, graph.train_mask, BATCH, generator, shuffle=True)
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        for _ in range(8):
            begin = time.perf_counter()
            batch = next(batches)
            sampling.append(time.perf_counter() - begin)
            step(batch, slice(batch.batch_size))
            seconds.append(time.perf_counter() - begin)
    above = max(_megabytes("VmHWM") - resting, 0.0)
    return {
        "resting": resting,
        "above": above,
        "step": 1000 * statistics.median(seconds[1:]),
        "sampling": 1000 * statistics.median(sampling[1:]) if sampling else 0.0,
    }


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024
