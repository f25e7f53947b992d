"""Milliseconds of sampling 1024 seeds with fan-out [15, 10] on 10M edges: python -m benchmarks.neighbor_sampler

pyg-lib, torch-sparse and DGL's GraphBolt, the samplers in C++, have no wheel on PyPI for today's torch: a side of
theirs is timed where pyg-lib is found.
"""

import statistics
import time

import torch
from torch_geometric.data import Data
from torch_geometric.sampler import NeighborSampler as PyGSampler
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.typing import WITH_PYG_LIB

from graphreel.data import NeighborSampler

NODES, EDGES, SEEDS, FAN_OUT = 1_000_000, 10_000_000, 1024, [15, 10]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.randint(NODES, (2, EDGES), generator=generator)
    power = (NODES * torch.rand(2, EDGES, generator=generator, dtype=torch.float64) ** 3).long().clamp(max=NODES - 1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median and least of 30 batches")
    for name, edge_index in (("uniform", uniform), ("power law", power)):
        data = Data(edge_index=edge_index, edge_weight=torch.rand(EDGES, generator=generator), num_nodes=NODES)
        samplers = {
            "ours": NeighborSampler(data, FAN_OUT),
            "ours, replace": NeighborSampler(data, FAN_OUT, replace=True),
            "ours, disjoint": NeighborSampler(data, FAN_OUT, disjoint=True),
            "ours, weighted": NeighborSampler(data, FAN_OUT, weight_attr="edge_weight"),
        }
        if WITH_PYG_LIB:
            samplers["pyg-lib"] = PyGSampler(data, FAN_OUT)
        for side, sampler in samplers.items():
            seconds = []
            for _ in range(30):
                seeds = edge_index[1, torch.randint(EDGES, (SEEDS,), generator=generator)]
                start = time.perf_counter()
                sampler.sample_from_nodes(NodeSamplerInput(None, seeds))
                seconds.append(time.perf_counter() - start)
            print(f"{name:10} {side:16} {1e3 * statistics.median(seconds):7.1f} {1e3 * min(seconds):7.1f}", flush=True)


if __name__ == "__main__":
    main()
