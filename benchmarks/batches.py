"""Training on mini-batches, a new graph in every step: batches of GraphLoader beside PyG's layers on PyG's batches.

python -m benchmarks.batches [--allocator default|tuned]

Both loaders have put their batches together before the clock starts, as their workers do beside a training.
"""

import copy
import pickle
from collections.abc import Callable, Iterator

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from benchmarks.side_by_side import Line, arguments, medians, print_lines
from graphreel import gnn
from graphreel.gnn import GraphLoader

WIDTH, HEADS, GRAPHS = 64, 4, 10


def agree(ours: Tensor, theirs: Tensor) -> None:
    """See that both are the same but for rounding, weighed by the largest number."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def training(layers: list[nn.Module], batch: Batch) -> Callable[[], Tensor]:
    """A step with a batch as it comes from a worker: unpickled, so that nothing is remembered from the step before."""
    parcel = pickle.dumps(batch)

    def run() -> Tensor:
        fresh = pickle.loads(parcel)
        h = fresh.x
        for layer in layers:
            h = layer(h, fresh.edge_index).relu()
        h.sum().backward()
        return h.detach()

    return run


def lines() -> Iterator[Line]:
    generator = torch.Generator().manual_seed(0)
    for name in ("GCNConv", "GATConv", "GATv2Conv"):
        options = {} if name == "GCNConv" else {"heads": HEADS}
        width = WIDTH // options.get("heads", 1)
        for num_edges in (5_000, 20_000, 50_000):
            nodes = num_edges // 8 // GRAPHS
            ends = [torch.randint(nodes, (2, num_edges // GRAPHS), generator=generator) for _ in range(GRAPHS)]
            graphs = [Data(x=torch.randn(nodes, WIDTH, generator=generator), edge_index=end) for end in ends]
            batch = next(iter(GraphLoader(graphs, batch_size=GRAPHS, heads=[HEADS] if options else [])))
            plain = Batch.from_data_list(graphs)
            theirs = [getattr(pyg, name)(WIDTH, width, **options) for _ in range(2)]
            ours = [getattr(gnn, name)(WIDTH, width, **options) for _ in range(2)]
            for one, other in zip(ours, theirs, strict=True):
                one.load_state_dict(copy.deepcopy(other.state_dict()))
            sides = (training(ours, batch), training(theirs, plain))
            agree(*(run() for run in sides))
            for one, other in zip(ours, theirs, strict=True):
                for key, parameter in one.named_parameters():
                    agree(parameter.grad, other.get_parameter(key).grad)
            yield Line(f"2 {name}, batches of {num_edges} edges", *medians(*sides, seconds=4), "2x")


def main() -> None:
    arguments(["all"], "Mini-batches beside PyG's.")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print_lines(lines())


if __name__ == "__main__":
    main()
