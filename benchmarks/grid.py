"""GCNConv, GATConv and GATv2Conv beside PyG's over a grid of graphs, widths and heads: PyG's time over ours.

python -m benchmarks.grid [--only LAYER ...] [--mode fresh|same|inference|bf16 ...] [--allocator default|tuned]

A cell is a forward and backward pass (in inference the forward pass alone), with gradients in the features and the
parameters: of an edge_index that no call has seen before, as mini-batches bring them (fresh, inference, bf16), or of
the same one each time (same). ``edges`` stands for 4 heads with 4 features on each edge.
"""

from collections.abc import Callable

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from benchmarks.side_by_side import arguments, medians
from graphreel import gnn

SIZES = (
    (6, 12), (100, 300), (200, 1_000), (500, 2_000),
    (1_000, 4_000), (2_000, 13_000), (5_000, 50_000), (20_000, 100_000),
)  # fmt: skip
WIDTHS = (8, 16, 64)
HEADS = (1, 4, 8)
LAYERS = ("GCNConv", "GATConv", "GATv2Conv")
MODES = ("fresh", "same", "inference", "bf16")
EDGE_DIM = 4


def program(layer: nn.Module, x: Tensor, graph: Callable[[], Tensor], mode: str, *rest: Tensor) -> Callable[[], None]:
    """One call, with its backward pass unless the mode is inference."""

    def infer() -> None:
        with torch.no_grad():
            layer(x, graph(), *rest)

    def step() -> None:
        x.grad = None
        layer.zero_grad()
        layer(x, graph(), *rest).sum().backward()

    return infer if mode == "inference" else step


def ratio(name: str, mode: str, size: tuple[int, int], width: int, heads: int, edge_dim: int | None) -> float:
    """PyG's time over ours in one cell: above one ours is faster."""
    nodes, edges = size
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if mode == "bf16" else torch.float32
    edge_index = torch.randint(nodes, (2, edges), generator=generator)
    x = torch.randn(nodes, width, generator=generator).to(dtype).requires_grad_()
    rest = () if edge_dim is None else (torch.randn(edges, edge_dim, generator=generator).to(dtype),)
    options = {} if name == "GCNConv" else {"heads": heads, "edge_dim": edge_dim}
    ours, theirs = (getattr(room, name)(width, width, **options).to(dtype) for room in (gnn, pyg))
    graph = (lambda: edge_index) if mode == "same" else edge_index.clone
    mine, other = medians(
        *(program(layer, x, graph, mode, *rest) for layer in (ours, theirs)), seconds=0.25, least=3, warm_up=2
    )
    return other / mine


def table(name: str, mode: str) -> None:
    """A row per graph, a column per width and number of heads."""
    heads = (1,) if name == "GCNConv" else HEADS
    columns: list[tuple[int, int, int | None]] = [(width, count, None) for count in heads for width in WIDTHS]
    if name != "GCNConv":
        columns += [(width, 4, EDGE_DIM) for width in WIDTHS]
    titles = (f"{count}x{width}" + ("+edges" if dim else "") for width, count, dim in columns)
    print(f"{name + ', ' + mode:22}" + "".join(f"{title:>11}" for title in titles), flush=True)
    for size in SIZES:
        print(f"{size[0]:>7} nodes {size[1]:>8}", end="", flush=True)
        for width, count, dim in columns:
            print(f"{ratio(name, mode, size, width, count, dim):11.2f}", end="", flush=True)
        print(flush=True)


def main() -> None:
    chosen = arguments(LAYERS, "The graph layers beside PyG's over a grid of sizes.", mode=MODES)
    torch.manual_seed(0)
    for name in chosen.only or LAYERS:
        for mode in chosen.mode:
            table(name, mode)


if __name__ == "__main__":
    main()
