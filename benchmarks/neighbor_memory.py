"""Memory and time of training a GCN on the whole graph and on sampled neighbourhoods.

    python -m benchmarks.neighbor_memory [--edges 100000 1000000 10000000] [--allocator default|tuned]

Each case runs in a process of its own. "resting" is that process with graph and features loaded, "above" its peak
beyond that, with the sampler's sorted edges and the optimiser included. A step of the sampled case is one batch.
"""

import argparse
import itertools
import multiprocessing
import time
from typing import Any

FEATURES, HIDDEN, CLASSES, NODES_PER_EDGE, BATCH, FAN_OUT = 64, 64, 4, 0.1, 1024, [15, 10]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--allocator", choices=["default", "tuned"], default="default")
    arguments = parser.parse_args()
    print(f"GCN {FEATURES} -> {HIDDEN} -> {CLASSES}, average degree {1 / NODES_PER_EDGE:.0f}, power-law degrees;")
    print(f"sampled: batches of {BATCH} seeds, fan-out {FAN_OUT}; allocator {arguments.allocator}")
    print("     edges  training  resting MB  above MB  ms a step  sampling ms  ratio")
    context = multiprocessing.get_context("spawn")
    for edges in arguments.edges:
        above = {}
        for kind in ("full", "sampled"):
            with context.Pool(1) as pool:
                figures = pool.apply(measure, (kind, edges, arguments.allocator))
            above[kind] = figures["above"]
            ratio = f"{above['full'] / max(above['sampled'], 1e-9):.1f}x" if kind == "sampled" else ""
            sampling = f"{figures['sampling']:.1f}" if kind == "sampled" else ""
            print(
                f"{edges:>10} {kind:>9} {figures['resting']:>11.0f} {figures['above']:>9.0f} {figures['step']:>10.1f} "
                f"{sampling:>12} {ratio:>6}",
                flush=True,
            )


def measure(kind: str, edges: int, allocator: str) -> dict[str, float]:
    """Train a few steps in this process: resting and further memory in MB, median milliseconds of a step."""
    if allocator == "tuned":
        from graphreel.allocator import tune_allocator

        tune_allocator()
    import torch

    from data import load
    from gnn import GCN

    graph = load("random-graph", num_nodes=int(edges * NODES_PER_EDGE), num_edges=edges, num_features=FEATURES)
    torch.manual_seed(0)
    model = GCN(FEATURES, HIDDEN, 2, CLASSES)
    resting = _memory("VmRSS")
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # the peak is counted from here on
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step(batch: Any, seeds: Any) -> None:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch.x, batch.edge_index)[seeds], batch.y[seeds])
        loss.backward()
        optimizer.step()

    steps, sampling = [], []
    if kind == "full":
        for _ in range(4):
            begin = time.perf_counter()
            step(graph, graph.train_mask)
            steps.append(time.perf_counter() - begin)
    else:
        from data.neighbor_sampler import neighbor_loader

        generator = torch.Generator().manual_seed(0)
        loader = neighbor_loader(graph, FAN_OUT, graph.train_mask, BATCH, generator, shuffle=True)
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        for _ in range(12):
            begin = time.perf_counter()
            batch = next(batches)
            middle = time.perf_counter()
            step(batch, slice(batch.batch_size))
            sampling.append(middle - begin)
            steps.append(time.perf_counter() - begin)
    return {
        "resting": resting,
        "above": max(_memory("VmHWM") - resting, 0.0),
        "step": _median(steps[1:]),
        "sampling": _median(sampling[1:]) if sampling else 0.0,
    }


def _memory(field: str) -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def _median(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1000


if __name__ == "__main__":
    main()
