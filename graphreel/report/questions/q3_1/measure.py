"""What a graph convolution computes, and what it costs on a graph that grows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from graphreel.gnn import GCNConv, dense_gcn, normalized_adjacency
from graphreel.report.questions.q3_1.memory import BATCH, FAN_OUT, FEATURES, HIDDEN, KINDS, RESOLUTION, measure_apart
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, ORANGE


@dataclass(frozen=True)
class Sizes:
    """Edges of the graphs whose training is measured, each in a process of its own."""

    edges: tuple[int, ...] = (100_000, 1_000_000, 3_000_000)


SIZES = {"quick": Sizes(), "full": Sizes((100_000, 1_000_000, 10_000_000))}
SECONDS = {"quick": 24, "full": 70}


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    memory = {kind: [measure_apart(kind, edges) for edges in sizes.edges] for kind in KINDS}
    workspace.figure("memory", _draw(sizes.edges, *([one["above"] for one in memory[kind]] for kind in KINDS)))
    settings = {"features": FEATURES, "hidden": HIDDEN, "batch": BATCH, "fan_out": FAN_OUT, "resolution": RESOLUTION}
    return {"differences": _differences(), "edges": sizes.edges, **memory, **settings}


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Layer and formula agree; samples of the largest graph take less memory than the whole of it, as is not shown."""
    full, sampled = (max(numbers[kind][-1]["above"], numbers["resolution"]) for kind in KINDS)
    return {
        "a": "confirmed" if max(numbers["differences"].values()) < 1e-9 else "corrected",
        "b": "completed" if sampled < full else "corrected",
    }


def _differences() -> dict[str, float]:
    """Layer minus formula in float64: values, gradients, and the layer on renumbered nodes."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    # a directed graph with a loop at 2, the edge 0 -> 1 twice, and node 5 alone
    edge_index = torch.tensor([[0, 0, 1, 2, 2, 3, 4], [1, 1, 2, 2, 0, 4, 3]])
    weight, x = draw(7), draw(6, 5).requires_grad_()
    conv = GCNConv(5, 3).double()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(draw(*parameter.shape))
    out = conv(x, edge_index, weight)
    matrix = normalized_adjacency(edge_index, weight, 6)
    formula = dense_gcn(x, matrix, conv.lin.weight, conv.bias)
    ahead = draw(6, 3)
    leaves = [x, *conv.parameters()]
    pairs = zip(torch.autograd.grad(out, leaves, ahead), torch.autograd.grad(formula, leaves, ahead), strict=True)
    order = torch.randperm(6, generator=generator)
    place = torch.argsort(order)
    again = conv(x[order], place[edge_index], weight)
    return {
        "values": (out - formula).abs().max().item(),
        "gradients": max((a - b).abs().max().item() for a, b in pairs),
        "other numbering": (again - out[order]).abs().max().item(),
    }


def _draw(edges: tuple[int, ...], full: list[float], sampled: list[float]) -> Figure:
    drawing = Figure(figsize=(5.6, 3.8), layout="constrained")
    axis = drawing.subplots()
    lines = ((full, ORANGE, "o", "whole graph"), (sampled, BLUE, "s", "sampled neighbourhoods"))
    for values, colour, marker, label in lines:
        shown = [(count, value) for count, value in zip(edges, values, strict=True) if value >= RESOLUTION]
        axis.plot(*zip(*shown, strict=True) if shown else ((), ()), color=colour, marker=marker, label=label)
    highest = max(2 * max(*full, *sampled), 10 * RESOLUTION)
    axis.set(xscale="log", yscale="log", xlim=(edges[0] / 1.5, edges[-1] * 1.5), ylim=(RESOLUTION, highest))
    axis.set_xlabel("edges")
    axis.set_ylabel("MB beyond the graph")
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False)
    return drawing
