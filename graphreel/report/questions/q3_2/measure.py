"""The six nodes: their matrix, how far a message travels, and a network trained on them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import networkx as nx
import torch
from matplotlib.figure import Figure
from torch_geometric.data import Data

from graphreel.data import load
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.gnn import gradient_after, normalized_adjacency, updates_between
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, GREY, ORANGE, draw_curves

REPORTED = ("110011", "110100", "001100", "011101", "100010", "100101")  # the report's rows of A + I


@dataclass(frozen=True)
class Sizes:
    """Seeds of the GCN, and how many updates the derivative is followed for."""

    seeds: int = 10
    updates: int = 6


SIZES = {"quick": Sizes(), "full": Sizes(seeds=100)}
SECONDS = {"quick": 6, "full": 60}


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    graph = load("six-node")
    names: list[str] = graph.node_names
    adjacency = torch.eye(6)
    adjacency[graph.edge_index[1], graph.edge_index[0]] = 1
    counts = range(sizes.updates + 1)
    powers = [torch.linalg.matrix_power(adjacency, k) for k in counts]
    heard = {name: updates_between(graph, "C", name) or 0 for name in names}
    settings = GnnSettings.resolve("six-node", {"model": "gcn", "seeds": sizes.seeds})
    trained = workspace.trainings.train("six-node-gcn", settings)
    workspace.figure("six-nodes", _draw(graph, heard))
    history = trained.load_checkpoint()["history"]
    _draw_loss(workspace, history)
    ends = [min(row["step"] for row in history), max(row["step"] for row in history)]
    return {
        "matrix": adjacency.int().tolist(),
        "normalized": normalized_adjacency(graph.edge_index, num_nodes=6).tolist(),
        "matrix_as_reported": ["".join(map(str, row)) for row in adjacency.int().tolist()] == list(REPORTED),
        "updates_from_C": heard,
        "updates_from_C_to_E": heard["E"],
        "derivative_of_E_by_C": [gradient_after(graph, "C", "E", k).abs().max().item() for k in counts],
        "walks_from_C_to_E": [int(power[names.index("E"), names.index("C")]) for power in powers],
        "loss_first_and_last": [fmean(row["val_loss"] for row in history if row["step"] == step) for step in ends],
        "gcn": {key: trained.metrics()[key] for key in ("test_accuracy", "baselines")},
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """The matrix is the report's entry by entry; the count that it leaves blank is where the derivative begins."""
    first = next((k for k, value in enumerate(numbers["derivative_of_E_by_C"]) if value != 0), None)
    return {
        "a": "confirmed" if numbers["matrix_as_reported"] else "corrected",
        "b": "completed" if first == numbers["updates_from_C_to_E"] else "corrected",
    }


def _draw(graph: Data, heard: dict[str, int]) -> Figure:
    place = {"A": (1, 1), "B": (0.2, 0), "E": (1.9, 1.7), "F": (1.8, 0), "D": (1, -1), "C": (1, -2.1)}
    names = graph.node_names
    network = nx.Graph([(names[s], names[t]) for s, t in graph.edge_index.t().tolist() if s < t])
    drawing = Figure(figsize=(5.2, 4.2), layout="constrained")
    axis = drawing.subplots()
    colours = [ORANGE if name == "C" else BLUE for name in network]
    nx.draw_networkx_edges(network, place, ax=axis, width=1.6, edge_color=GREY)
    nx.draw_networkx_nodes(network, place, ax=axis, node_size=900, node_color=colours)
    nx.draw_networkx_labels(network, place, ax=axis, font_color="white", font_size=13, font_weight="bold")
    for name, count in heard.items():
        axis.annotate(f"{count}", place[name], (20, 12), textcoords="offset points", fontsize=12, color="#222222")
    axis.margins(0.2)
    axis.set_axis_off()
    return drawing


def _draw_loss(workspace: Workspace, history: list[dict[str, Any]]) -> None:
    # six nodes leave none for validation, so the validation figures are those of the four given labels, without dropout
    shown = [{**row, "with_dropout": row["train_loss"], "without": row["val_loss"]} for row in history]
    label = "loss on the given labels (nats)"
    levels = {label: {"a coin's loss, log 2": math.log(2)}}
    panels = {label: ("with_dropout", "without")}
    draw_curves(shown, panels, workspace.folder / "loss.svg", "GCN on the six nodes", levels)
