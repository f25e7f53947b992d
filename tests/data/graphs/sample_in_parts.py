"""`sample_in_parts.py COUNT`: so many forks, each with a part of a graph, have the gradients of one process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[2] / "graphreel" / "experiments"))
from train_in_ranks import in_ranks

from graphreel.data import open_graph
from graphreel.data.graphs.neighbor_loader import neighbor_loader
from graphreel.data.graphs.on_disk.part_features import PartFeatures
from graphreel.gnn import GAT
from graphreel.training import ranks
from graphreel.training.parallel import parallel

NODES, EDGES = 400, 2400


def gradients(model, graph, seeds):
    """Of the loss of the seeds, each of which this rank has a share of, with all their neighbours."""
    own = ranks.share(seeds.sort().values)

    def loss(batch):
        count = batch.batch_size
        answer = model(batch.x.double(), batch.edge_index)[:count]
        return ranks.mean(torch.nn.functional.cross_entropy(answer, batch.y[:count]), count)

    batch = neighbor_loader(graph, [-1, -1], own)(torch.arange(len(own)))
    summand = parallel(model, loss)
    summand(batch).backward()
    return [parameter.grad for parameter in model.parameters()]


def main() -> None:
    count, draw = int(sys.argv[1]), np.random.default_rng(0)
    arrays = {
        "edges": (NODES * draw.random((2, EDGES)) ** 3).astype(np.int64),
        "x": draw.normal(size=(NODES, 7)).astype(np.float16),
        "y": draw.integers(0, 3, NODES),
    }
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    typed = ["data", "pack", "edges.npy", "--x", "x.npy", "--y", "y.npy", "--parts", str(count), "--out", "GRAPH"]
    subprocess.run([sys.executable, "-m", "graphreel", *typed], check=True, stdout=subprocess.DEVNULL)
    model = GAT(7, 8, 2, 3, heads=2).double()
    seeds = torch.randperm(NODES)[:50]
    whole = gradients(model, open_graph("GRAPH"), seeds)
    model.zero_grad()

    def check() -> None:
        with ranks.joined():
            for hot in (0, 30):
                graph = open_graph("GRAPH")
                graph.features = PartFeatures(graph, hot)
                for one, many in zip(whole, gradients(model, graph, seeds), strict=True):
                    torch.testing.assert_close(many, one, rtol=1e-10, atol=1e-12)
                model.zero_grad()
                told = ranks.gather(graph.features.counts)
                total = {key: sum(one[key] for one in told) for key in told[0]}
                assert total["batches"] == count and total["bytes"] == 14 * total["fetched"]
                assert (total["kept"] > 0.1 * total["fetched"]) if hot else total["kept"] == 0

    in_ranks(count, check)


if __name__ == "__main__":
    main()
