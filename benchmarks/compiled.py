"""Layers under torch.compile beside themselves run eagerly, and beside PyG's and torch.nn's under torch.compile.

python -m benchmarks.compiled [--only gcn gat gatv2 lstm gru] [--allocator default|tuned]

Results and gradients are compared before each timing. The last table is the seconds of a first call: at the first
length, and at a second one.
"""

import time
from collections.abc import Callable, Iterator

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from benchmarks.side_by_side import Line, arguments, medians, print_lines
from graphreel import gnn, rnn

NODES, EDGES, WIDTH = 50_000, 1_000_000, 64


def step(module: nn.Module, *inputs: Tensor) -> Callable[[], list[Tensor]]:
    """Forward and backward: the result and the gradients."""
    leaves = [part.requires_grad_() for part in inputs if part.is_floating_point()] + list(module.parameters())

    def run() -> list[Tensor]:
        out = module(*inputs)
        out = out[0] if isinstance(out, tuple) else out
        return [out, *torch.autograd.grad(out.square().sum(), leaves)]

    return run


def compare(name: str, ours: nn.Module, theirs: nn.Module, *inputs: Tensor) -> Iterator[Line]:
    theirs.load_state_dict(ours.state_dict())
    eager, compiled, other = (
        step(module, *inputs) for module in (ours, torch.compile(ours, fullgraph=True), torch.compile(theirs))
    )
    for run in (compiled, other):
        torch.testing.assert_close(run(), eager(), rtol=1e-2, atol=1e-2)
    yield Line(f"{name}, compiled, against itself run eagerly", *medians(compiled, eager, seconds=20), "0.9x")
    yield Line(f"{name}, compiled, against theirs compiled", *medians(compiled, other, seconds=20), "")


def graph_layer(name: str) -> Iterator[Line]:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(NODES, (2, EDGES), generator=generator)
    x = torch.randn(NODES, WIDTH, generator=generator)
    options = {} if name == "GCNConv" else {"heads": 4}
    sizes = (WIDTH, WIDTH // options.get("heads", 1))
    ours, theirs = (getattr(room, name)(*sizes, **options) for room in (gnn, pyg))
    yield from compare(f"{name}, 50k nodes, 1M edges, 64 wide", ours, theirs, x, edge_index)


def recurrent_layer(name: str) -> Iterator[Line]:
    for steps, batch, hidden in ((41, 256, 256), (100, 16, 64)):
        ours, theirs = (getattr(room, name)(64, hidden) for room in (rnn, nn))
        x = torch.randn(steps, batch, 64)
        yield from compare(f"{name}, T={steps}, batch {batch}, hidden {hidden}", ours, theirs, x)


def second_length(name: str) -> None:
    """Seconds of the first call at each of four lengths."""
    torch._dynamo.reset()
    layer = getattr(rnn, name)(64, 64)
    compiled = torch.compile(layer, fullgraph=True)
    seconds = []
    for steps in (30, 41, 77, 100):
        start = time.perf_counter()
        step(compiled, torch.randn(steps, 16, 64))()
        seconds.append(f"{steps}: {time.perf_counter() - start:.2f} s")
    print(f"{name}, first call at each length: {', '.join(seconds)}", flush=True)


LINES = {
    "gcn": lambda: graph_layer("GCNConv"),
    "gat": lambda: graph_layer("GATConv"),
    "gatv2": lambda: graph_layer("GATv2Conv"),
    "lstm": lambda: recurrent_layer("LSTM"),
    "gru": lambda: recurrent_layer("GRU"),
}


def main() -> None:
    chosen = arguments(LINES, "Layers under torch.compile.").only or list(LINES)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name in {"lstm": "LSTM", "gru": "GRU"}.items():
        if name[0] in chosen:
            second_length(name[1])
    print_lines(line for name in chosen for line in LINES[name]())


if __name__ == "__main__":
    main()
