"""A cost model of training on a graph in parts, fitted to forks of this process, and checked on another size.

    python benchmarks/scale.py

Times are seconds of the processor in each process, since others work on most machines too.
"""

import json
import os
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls

from graphreel.data.graphs.neighbor_loader import neighbor_loader
from graphreel.data.graphs.on_disk.disk_graph import DiskGraph
from graphreel.data.graphs.on_disk.manifest import Manifest, equal_parts
from graphreel.data.graphs.on_disk.part_features import PartFeatures
from graphreel.gnn import GAT
from graphreel.training import ranks
from graphreel.training.parallel import parallel

SEEDS, BATCHES, DEGREE, HOT = 256, 12, 15, 0.1
# nodes, features, fan-out, ranks; the last is left out of the fit
SIZES = [
    (20_000, 32, (5, 5), 1), (20_000, 128, (5, 5), 2), (100_000, 32, (10, 5), 2), (100_000, 128, (10, 10), 1),
    (100_000, 128, (10, 10), 4), (300_000, 64, (15, 10), 2), (300_000, 16, (5, 5), 4), (300_000, 256, (5, 5), 2),
    (200_000, 96, (10, 10), 2),
]  # fmt: skip


def write(folder: Path, nodes: int, features: int, parts: int) -> None:
    """A packed graph whose edges come from anywhere."""
    draw = np.random.default_rng(0)
    np.save(folder / "start.npy", np.arange(nodes + 1) * DEGREE)
    np.save(folder / "source.npy", draw.integers(0, nodes, nodes * DEGREE).astype(np.int32))
    np.save(folder / "x.npy", draw.standard_normal((nodes, features), np.float32).astype(np.float16))
    np.save(folder / "y.npy", draw.integers(0, 8, nodes))
    Manifest(nodes, nodes * DEGREE, "random", equal_parts(nodes, parts)).write(folder)


def train(graph: DiskGraph, features: int, fan_out: tuple[int, ...], count: int) -> dict[str, float]:
    """Means over batches of one rank: edges, rows, bytes fetched, seconds."""
    torch.manual_seed(0)
    model = GAT(features, 32, len(fan_out), 8, heads=4)
    if count > 1:
        graph.features = PartFeatures(graph, int(HOT * graph.num_nodes))

    def loss(batch):
        return torch.nn.functional.cross_entropy(model(batch.x.float(), batch.edge_index)[:SEEDS], batch.y[:SEEDS])

    summand = parallel(model, loss)
    own = torch.randint(
        graph.num_nodes, (SEEDS * (BATCHES + 1),), generator=torch.Generator().manual_seed(ranks.rank())
    )
    loader = neighbor_loader(graph, list(fan_out), own, SEEDS)
    edges, rows, began, before = 0, 0, 0.0, 0
    for number, seeds in enumerate(torch.arange(len(own)).split(SEEDS)):
        if number == 1:  # the first warms up
            began, edges, rows = time.process_time(), 0, 0
            before = graph.features.counts["bytes"] if count > 1 else 0
        batch = loader(seeds)
        summand(batch).backward()
        edges, rows = edges + batch.num_edges, rows + batch.num_nodes
    seconds = time.process_time() - began
    fetched = graph.features.counts["bytes"] - before if count > 1 else 0
    found = {"edges": edges, "rows": rows, "bytes": fetched, "seconds": seconds}
    return {key: value / BATCHES for key, value in found.items()}


def measure(nodes: int, features: int, fan_out: tuple[int, ...], count: int) -> dict[str, float]:
    """`train` in so many forks, of which the first tells."""
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        folder = Path(place)
        write(folder, nodes, features, count)
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(count)}
        free.close()
        children = []
        for rank in range(count):
            child = os.fork()
            if child == 0:
                os.environ |= {**shared, "RANK": str(rank)}
                with ranks.joined():
                    told = ranks.gather(train(DiskGraph(folder), features, fan_out, count))
                if rank == 0:
                    mean = {key: sum(one[key] for one in told) / count for key in told[0]}
                    (folder / "told.json").write_text(json.dumps(mean))
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        return json.loads((folder / "told.json").read_text())


def rows_of(nodes: int, fan_out: tuple[int, ...]) -> tuple[float, float]:
    """How many edges a batch samples, and how many nodes it meets, of a graph whose edges come from anywhere."""
    edges, met, frontier = 0.0, float(SEEDS), float(SEEDS)
    for width in fan_out:
        drawn = frontier * width
        edges += drawn
        after = nodes - (nodes - met) * (1 - 1 / nodes) ** drawn
        frontier, met = after - met, after
    return edges, met


def terms(nodes: int, features: int, fan_out: tuple[int, ...], count: int) -> tuple[list[float], float]:
    """What seconds are a weighted sum of: a batch, its edges, numbers that it reads, and bytes from others."""
    edges, rows = rows_of(nodes, fan_out)
    away = max(0.0, 1 - 1 / count - HOT) if count > 1 else 0.0
    fetched = rows * away * features * 2
    return [1.0, edges, rows * features, fetched], fetched


def main() -> None:
    torch.set_num_threads(1)
    told = [measure(*size) for size in SIZES]
    table = np.array([terms(*size)[0] for size in SIZES])
    seconds = np.array([one["seconds"] for one in told])
    scale = 1 / seconds[:-1, None]  # errors count in proportion
    weights, _ = nnls(table[:-1] * scale, np.ones(len(told) - 1))
    print(
        "seconds =", " + ".join(f"{w:.3g} {n}" for w, n in zip(weights, ("", "edges", "numbers", "bytes"), strict=True))
    )
    for size, one, row in zip(SIZES, told, table, strict=True):
        edges, rows = rows_of(size[0], size[2])
        guess = float(row @ weights)
        print(
            f"{size}: edges {one['edges']:.0f} ({edges:.0f}), rows {one['rows']:.0f} ({rows:.0f}), bytes "
            f"{one['bytes']:.3g} ({terms(*size)[1]:.3g}), ms {1000 * one['seconds']:.1f} ({1000 * guess:.1f}, "
            f"{100 * (guess / one['seconds'] - 1):+.0f} %)" + (" not fitted" if size == SIZES[-1] else "")
        )


if __name__ == "__main__":
    main()
