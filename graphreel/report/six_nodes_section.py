"""Q3.2: the six nodes: their matrix, how far a message travels, and a network trained on them."""

import math
from dataclasses import dataclass
from statistics import fmean

import networkx as nx
import torch
from matplotlib.figure import Figure as Drawing
from torch import Tensor
from torch_geometric.data import Data

from graphreel.data import load
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graphs import resume_training, start_training
from graphreel.gnn import gradient_after, normalized_adjacency, updates_between
from graphreel.report.answer import Answer, Block, Figure, Finding, Formula, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import listed, power
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, GREY, ORANGE, draw_curves
from graphreel.training.summary import percent

REPORTED = ("110011", "110100", "001100", "011101", "100010", "100101")  # the report's rows of A + I


@dataclass(frozen=True)
class Sizes:
    """Seeds of the GCN, and how many updates the derivative is followed for."""

    seeds: int = 10
    updates: int = 6


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    graph = load("six-node")
    names: list[str] = graph.node_names
    adjacency = torch.eye(6)
    adjacency[graph.edge_index[1], graph.edge_index[0]] = 1
    same = ["".join(str(int(entry)) for entry in row) for row in adjacency] == list(REPORTED)
    smoothed = normalized_adjacency(graph.edge_index, num_nodes=6)
    needed = updates_between(graph, "C", "E")
    derivative = [gradient_after(graph, "C", "E", k).abs().max().item() for k in range(sizes.updates + 1)]
    walks = [
        int(torch.linalg.matrix_power(adjacency, k)[names.index("E"), names.index("C")]) for k in range(len(derivative))
    ]
    first = next((k for k, value in enumerate(derivative) if value != 0), None)
    settings = GnnSettings.resolve("six-node", {"model": "gcn", "seeds": sizes.seeds})
    trained = workspace.trainings.train("six-node-gcn", settings, start_training, resume_training)
    metrics = trained.metrics()
    numbers = {
        "matrix_as_reported": same,
        "updates_from_C_to_E": needed,
        "derivative_of_E_by_C": derivative,
        "walks_from_C_to_E": walks,
        "gcn": {"test_accuracy": metrics["test_accuracy"], "baselines": metrics["baselines"], "seeds": sizes.seeds},
    }
    accuracy = percent(metrics["test_accuracy"])
    findings = [
        Finding(
            "a",
            "confirmed" if same else "corrected",
            "The matrix built from the edge list is the report's, entry by entry."
            if same
            else "The matrix built from the edge list is another one; it is printed below.",
        ),
        Finding(
            "b",
            "completed",
            f"It takes {needed} updates. The derivative of $h_E$ with respect to $x_C$ is exactly 0 after "
            f"{listed([str(k) for k in range(first or 0)])} updates and not 0 after {first}, where "
            f"{walks[first or 0]} walks lead from C to E.",
        ),
    ]
    blocks: list[Block] = [
        Formula(_matrix(r"\tilde A = A + I", adjacency, 0), "Read off the edges, in the order A to F:"),
        Formula(_matrix(r"\hat A", smoothed, 2), "Normalised, as a graph convolution multiplies by it:"),
        workspace.figure(
            "six-nodes",
            _draw(graph, [updates_between(graph, "C", name) or 0 for name in names]),
            "The graph of the nodes A to F; each carries the number of updates until it has heard of C: "
            + ", ".join(f"{name} {updates_between(graph, 'C', name)}" for name in names),
            "How many updates until a node has heard of C. E is the farthest.",
        ),
        _curves(workspace, trained.load_checkpoint()["history"], metrics),
        Table(
            "After $k$ updates (graph convolutions with random positive weights and $\\tanh$, float64)",
            ["$k$", "largest entry of $\\partial h_E / \\partial x_C$", "walks from C to E, $(\\tilde A^k)_{EC}$"],
            [[str(k), "0, exactly" if d == 0 else power(d), str(walks[k])] for k, d in enumerate(derivative)],
        ),
        Text(
            "A two-layer GCN trained on the six nodes names the circle of the two hubs A and D, whose labels it is "
            f"not shown, with {accuracy} accuracy over {sizes.seeds} seeds. The features are one-hot, so a model "
            f"without edges stays at {100 * metrics['baselines']['logistic_regression']:.0f} % (logistic regression)."
        ),
    ]
    return Answer(
        "completed",
        f"The matrix is right, and the number that the report leaves blank is {needed}: below it the derivative is "
        "exactly zero, at it it is not.",
        findings,
        blocks,
        numbers,
        {
            "graphreel gnn updates C E --data six-node": f"Prints {needed}",
            f"graphreel gnn train --data six-node --model gcn --seeds {sizes.seeds}": f"{accuracy} on the hidden "
            f"labels",
        },
    )


def _matrix(name: str, values: Tensor, digits: int) -> str:
    rows = [" & ".join("0" if v == 0 else f"{v:.{digits}f}" for v in row.tolist()) for row in values]
    body = r" \\ ".join(rows)
    return rf"{name} = \begin{{pmatrix}}{body}\end{{pmatrix}}"


def _draw(graph: Data, updates: list[int]) -> Drawing:
    names = graph.node_names
    place = {"A": (1, 1), "B": (0.2, 0), "E": (1.9, 1.7), "F": (1.8, 0), "D": (1, -1), "C": (1, -2.1)}
    edges = [(names[s], names[t]) for s, t in graph.edge_index.t().tolist() if s < t]
    drawing = Drawing(figsize=(5.2, 4.2), layout="constrained")
    axis = drawing.subplots()
    network = nx.Graph(edges)
    colours = [ORANGE if name == "C" else BLUE for name in network]
    nx.draw_networkx_edges(network, place, ax=axis, width=1.6, edge_color=GREY)
    nx.draw_networkx_nodes(network, place, ax=axis, node_size=900, node_color=colours)
    nx.draw_networkx_labels(network, place, ax=axis, font_color="white", font_size=13, font_weight="bold")
    for name, count in zip(names, updates, strict=True):
        x, y = place[name]
        axis.annotate(f"{count}", (x, y), (20, 12), textcoords="offset points", fontsize=12, color="#222222")
    axis.margins(0.2)
    axis.set_axis_off()
    return drawing


def _curves(workspace: Workspace, history: list[dict], metrics: dict) -> Figure:
    # six nodes leave none for validation, so the validation figures are those of the four given labels, without dropout
    shown = [{**row, "with_dropout": row["train_loss"], "without": row["val_loss"]} for row in history]
    panel = {"loss on the given labels (nats)": ("with_dropout", "without")}
    levels = {"loss on the given labels (nats)": {"a coin's loss, log 2": math.log(2)}}
    path = draw_curves(shown, panel, workspace.folder / "loss.svg", "GCN on the six nodes", levels)
    steps = [min(row["step"] for row in history), max(row["step"] for row in history)]
    begins, ends = (fmean(row["val_loss"] for row in history if row["step"] == step) for step in steps)
    return workspace.picture(
        "loss",
        path,
        f"Loss of the GCN on the four given labels over {len(metrics['seeds'])} seeds: without dropout it falls from "
        f"{begins:.2f} to {ends:.2f} nats.",
        "Loss on the four nodes whose label is given, with the dropout of training and without: every seed thin, their "
        "mean thick.",
    )


SECTION = Section(
    id="Q3.2",
    title="Six nodes and the way of a message",
    question="What is the matrix of the graph with the edges A-B, A-E, A-F, B-D, C-D and D-F, and how many updates "
    "does it take until information from C has reached E?",
    equations=(
        Equation(
            r"\tilde A = A + I, \quad \tilde D_{ii} = \sum_j \tilde A_{ij}"
            "\n"
            r"\hat A = \tilde D^{-1/2} \tilde A\, \tilde D^{-1/2}",
            "Self-loops added, rows and columns scaled by the degree:",
        ),
        Equation(
            r"H^{(k)} = \sigma(\hat A H^{(k-1)} W^{(k)})"
            "\n"
            r"\frac{\partial h_E^{(k)}}{\partial x_C} = 0 \text{ for all } W \text{ unless } (\tilde A^k)_{EC} > 0",
            "One update moves information over one edge, so after $k$ of them only walks of length $k$ count:",
        ),
    ),
    claims={
        "a": "The matrix $\\tilde A$ with the rows " + ", ".join(REPORTED) + ".",
        "b": "",
    },
    run=run,
    sizes={"quick": Sizes(), "full": Sizes(seeds=100)},
    expected={"quick": 6, "full": 60},
)
