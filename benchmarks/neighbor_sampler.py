"""Milliseconds of sampling 1024 seeds with fan-out [15, 10] on 10M edges: python -m benchmarks.neighbor_sampler

pyg-lib and torch-sparse have no wheel on PyPI for today's torch: pyg-lib is timed where it is found. DGL's last wheel
(`pip install --no-deps dgl==2.1.0`) is made for torch 2.2 at most: of it, where it is found, the sampler in C++ is
timed that needs no torch; its GraphBolt does not load.
"""

import importlib.util
import statistics
import sys
import time
from types import ModuleType
from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.sampler import NeighborSampler as PyGSampler
from torch_geometric.sampler import NodeSamplerInput
from torch_geometric.typing import WITH_PYG_LIB

from graphreel.data import NeighborSampler

NODES, EDGES, SEEDS, FAN_OUT = 1_000_000, 10_000_000, 1024, [15, 10]


class _Missing(ModuleType):
    """Stands for a module that does not load, and for whatever is imported from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (object,), {})


class DGLSampler:
    """What DGL does for its NeighborSampler: the same fan-out, and nodes numbered anew."""

    def __init__(self, edge_index: torch.Tensor) -> None:
        for name in ("dgl.graphbolt", "torchdata", "torchdata.datapipes", "torchdata.datapipes.iter"):
            sys.modules.setdefault(name, _Missing(name))
        self.dgl: Any = importlib.import_module("dgl")
        self.graph = self.dgl.graph(tuple(edge_index), num_nodes=NODES)
        self.graph.create_formats_()

    def sample_from_nodes(self, given: NodeSamplerInput) -> None:
        nodes = given.node.unique()
        for count in FAN_OUT:
            found = self.dgl.sampling.sample_neighbors(self.graph, nodes, count)
            nodes = self.dgl.to_block(found, nodes).srcdata[self.dgl.NID]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.randint(NODES, (2, EDGES), generator=generator)
    power = (NODES * torch.rand(2, EDGES, generator=generator, dtype=torch.float64) ** 3).long().clamp(max=NODES - 1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; median and least of 30 batches")
    for name, edge_index in (("uniform", uniform), ("power law", power)):
        data = Data(edge_index=edge_index, edge_weight=torch.rand(EDGES, generator=generator), num_nodes=NODES)
        samplers: dict[str, Any] = {
            "ours": NeighborSampler(data, FAN_OUT),
            "ours, replace": NeighborSampler(data, FAN_OUT, replace=True),
            "ours, disjoint": NeighborSampler(data, FAN_OUT, disjoint=True),
            "ours, weighted": NeighborSampler(data, FAN_OUT, weight_attr="edge_weight"),
        }
        if WITH_PYG_LIB:
            samplers["pyg-lib"] = PyGSampler(data, FAN_OUT)
        if importlib.util.find_spec("dgl") is not None:
            samplers["DGL"] = DGLSampler(edge_index)
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
