"""Q3.1: what a graph convolution computes, and what it costs on a graph that grows."""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from graphreel.gnn import GCNConv, dense_gcn, normalized_adjacency
from graphreel.report.answer import Answer, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.training_memory import BATCH, FAN_OUT, FEATURES, HIDDEN, KINDS, RESOLUTION, measure_apart
from graphreel.report.wording import power
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, ORANGE


@dataclass(frozen=True)
class Sizes:
    """Edges of the graphs whose training is measured, each in a process of its own."""

    edges: tuple[int, ...] = (100_000, 1_000_000, 3_000_000)


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    differences = _differences()
    worst = max(differences.values())
    measured = {kind: [measure_apart(kind, edges) for edges in sizes.edges] for kind in KINDS}
    full, sampled = ([one["above"] for one in measured[kind]] for kind in KINDS)
    return Answer(
        "completed",
        f"The layer is the formula (to {power(worst)}), and its drawback is now a measurement: "
        f"{_drawback(sizes.edges, full, sampled)}.",
        [
            Finding(
                "a",
                "confirmed" if worst < 1e-9 else "corrected",
                f"Layer and formula differ by at most {power(worst)}, gradients included, on a directed, weighted "
                "graph with a loop, a double edge and a node alone. One difference to a CNN: $W$ is the same for "
                "every neighbour, since a graph has no left and right; numbering the nodes anew changes the output by "
                f"{power(differences['other numbering'])}.",
            ),
            Finding(
                "b",
                "completed",
                f"Training on the whole graph of {sizes.edges[-1]:,} edges takes {megabytes(full[-1])} beyond the "
                f"graph, on samples of {' and '.join(map(str, FAN_OUT))} neighbours {megabytes(sampled[-1])}. The "
                "samples grow with the graph only by what the sorted edges take.",
            ),
        ],
        [
            workspace.figure(
                "memory",
                _draw(sizes.edges, full, sampled),
                "Memory of training against the number of edges, both axes logarithmic: the line of the whole graph "
                f"ends at {megabytes(full[-1])}, that of sampled neighbourhoods at {megabytes(sampled[-1])}.",
                f"Peak memory of training a GCN ({FEATURES} to {HIDDEN} features) beyond the graph itself.",
            ),
            Table(
                f"Each row a process of its own; sampled: batches of {BATCH} nodes",
                ["edges", "whole graph", "a step", "sampled", "a step of it"],
                [
                    [
                        f"{edges:,}",
                        megabytes(a["above"]),
                        f"{a['step']:.0f} ms",
                        megabytes(b["above"]),
                        f"{b['step']:.0f} ms",
                    ]
                    for edges, a, b in zip(sizes.edges, *measured.values(), strict=True)
                ],
            ),
            Text(
                "The spectral view needs $\\hat A$ as a whole. The node-wise view needs a node's neighbours only, and "
                "a sample of them will do: that is how a graph with more nodes than memory is trained."
            ),
        ],
        {"differences": differences, "edges": list(sizes.edges), **measured},
        {"graphreel gnn train --data cora --model gcn --neighbors 15,10 --batch-size 64": "Samples of a real graph:"},
        f"Random graphs with power-law degrees of {', '.join(f'{edges:,}' for edges in sizes.edges)} edges, a tenth as "
        "many nodes.",
    )


def megabytes(value: float) -> str:
    """`12 MB`, or `under 2 MB` where less cannot be measured."""
    return f"{value:.0f} MB" if value >= RESOLUTION else f"under {RESOLUTION:.0f} MB"


def _drawback(edges: tuple[int, ...], full: list[float], sampled: list[float]) -> str:
    """How memory grows with the graph; without a factor where the smallest graph's cannot be measured."""
    if min(full[0], sampled[0]) < RESOLUTION:
        return (
            f"{edges[-1]:,} edges take {megabytes(full[-1])} on the whole graph and {megabytes(sampled[-1])} in "
            "sampled neighbourhoods"
        )
    return (
        f"{edges[-1] / edges[0]:.0f} times the edges take {full[-1] / full[0]:.1f} times the memory on the whole graph "
        f"and {sampled[-1] / sampled[0]:.1f} times in sampled neighbourhoods"
    )


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


def _draw(edges: tuple[int, ...], full: list[float], sampled: list[float]) -> Drawing:
    drawing = Drawing(figsize=(5.6, 3.8), layout="constrained")
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


SECTION = Section(
    id="Q3.1",
    title="Graph convolution and its drawback",
    question="How does a graph convolution pass information along the edges, what is its drawback, and what remedies "
    "it?",
    equations=(
        Equation(
            r"H' = \sigma(\hat A H W)"
            "\n"
            r"\hat A = \tilde D^{-1/2} \tilde A\, \tilde D^{-1/2}, \quad \tilde A = A + I",
            "For all nodes at once:",
        ),
        Equation(
            r"h_i' = \sigma\left( \sum\limits_{j \in N(i) \cup \{i\}} "
            r"\frac{1}{\sqrt{\tilde d_i \tilde d_j}}\, W h_j \right)",
            "The same for one node, which needs its neighbours only:",
        ),
    ),
    claims={
        "a": "Multiplying by the adjacency gathers the neighbours' features, and $W$ convolves them as in a CNN: "
        "features flow along edges.",
        "b": "Spectral convolution needs the whole graph at once, which fails for millions of nodes; the remedy is the "
        "spatial view, which aggregates each node's neighbours.",
    },
    run=run,
    sizes={"quick": Sizes(), "full": Sizes((100_000, 1_000_000, 10_000_000))},
    expected={"quick": 24, "full": 70},
)
