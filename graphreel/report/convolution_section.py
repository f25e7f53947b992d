"""Q3.1: what a graph convolution computes, and what it costs on a graph that grows."""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor

from gnn import GCNConv, dense_gcn, normalized_adjacency
from graphreel.curves import BLUE, ORANGE
from graphreel.report.answer import Answer, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import power
from graphreel.report.workspace import Workspace
from graphreel.training_memory import BATCH, FAN_OUT, FEATURES, HIDDEN, KINDS, measure_apart


@dataclass(frozen=True)
class Sizes:
    """Edges of the graphs whose training is measured, each in a process of its own."""

    edges: tuple[int, ...] = (100_000, 1_000_000, 3_000_000)


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    differences = _differences()
    worst = max(differences.values())
    measured = {kind: [measure_apart(kind, edges) for edges in sizes.edges] for kind in KINDS}
    full, sampled = ([one["above"] for one in measured[kind]] for kind in KINDS)
    growth = sizes.edges[-1] / sizes.edges[0]
    return Answer(
        "completed",
        f"The layer is the formula (to {power(worst)}), and its drawback is now a measurement: {growth:.0f} times the "
        f"edges take {full[-1] / full[0]:.1f} times the memory on the whole graph and "
        f"{sampled[-1] / max(sampled[0], 1e-9):.1f} times in sampled neighbourhoods.",
        [
            Finding(
                "a",
                "confirmed",
                f"Layer and formula differ by at most {power(worst)}, gradients included, on a directed, weighted "
                "graph with a loop, a double edge and a node alone. One difference to a CNN: $W$ is the same for "
                "every neighbour, since a graph has no left and right; numbering the nodes anew changes the output by "
                f"{power(differences['other numbering'])}.",
            ),
            Finding(
                "b",
                "completed",
                f"Training on the whole graph of {sizes.edges[-1]:,} edges takes {full[-1]:.0f} MB beyond the graph, "
                f"on samples of {' and '.join(map(str, FAN_OUT))} neighbours {sampled[-1]:.0f} MB. The samples grow "
                "with the graph only by what the sorted edges take.",
            ),
        ],
        [
            workspace.figure(
                "memory",
                _draw(sizes.edges, full, sampled),
                "Memory of training against the number of edges, both axes logarithmic: the line of the whole graph "
                f"rises to {full[-1]:.0f} MB, that of sampled neighbourhoods to {sampled[-1]:.0f} MB.",
                f"Peak memory of training a GCN ({FEATURES} to {HIDDEN} features) beyond the graph itself.",
            ),
            Table(
                f"Each row a process of its own; sampled: batches of {BATCH} nodes",
                ["edges", "whole graph", "a step", "sampled", "a step of it"],
                [
                    [
                        f"{edges:,}",
                        f"{a['above']:.0f} MB",
                        f"{a['step']:.0f} ms",
                        f"{b['above']:.0f} MB",
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
    axis.loglog(edges, full, color=ORANGE, marker="o", label="whole graph")
    axis.loglog(edges, sampled, color=BLUE, marker="s", label="sampled neighbourhoods")
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
            r"H' = \sigma(\hat A H W), \quad \hat A = \tilde D^{-1/2} \tilde A\, \tilde D^{-1/2}, \quad \tilde A = A + "
            r"I",
            "For all nodes at once:",
        ),
        Equation(
            r"h_i' = \sigma\left( \sum_{j \in N(i) \cup \{i\}} \frac{1}{\sqrt{\tilde d_i \tilde d_j}}\, W h_j \right)",
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
    expected={"quick": 21, "full": 180},
)
