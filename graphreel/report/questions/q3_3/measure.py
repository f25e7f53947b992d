"""Attention on the six nodes: its formula, its weights, and how they differ from a convolution's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphreel.data import load
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.gnn import GATConv, attention_weights, dense_gat, normalized_adjacency
from graphreel.inspect.graph_attention import draw as draw_attention
from graphreel.inspect.load_run import load_run
from graphreel.report.workspace import Workspace
from graphreel.training.run_folder import RunFolder

NODE = "A"


@dataclass(frozen=True)
class Sizes:
    """Seeds of the GAT."""

    seeds: int = 10


SIZES = {"quick": Sizes(), "full": Sizes(100)}
SECONDS = {"quick": 6, "full": 90}


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    graph = load("six-node")
    settings = GnnSettings.resolve("six-node", {"model": "gat", "seeds": sizes.seeds})
    trained = workspace.trainings.train("six-node-gat", settings)
    drawn = draw_attention(trained.path, NODE, 1, 0, workspace.folder / "attention.png")
    workspace.picture("attention", drawn[0])
    weights, gap = _weights_into(trained, settings, graph)
    return {
        "into": NODE,
        "weights": weights,
        "gap_of_sums_to_1": gap,
        **_against_formula(graph.edge_index),
        "test_accuracy": trained.metrics()["test_accuracy"],
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """The layer is the report's sum, and its weights, of which the report does not say whence, hear the features."""
    same = numbers["difference"] < 1e-9 and numbers["gap_of_sums_to_1"] < 1e-5
    return {"a": "completed" if same and numbers["moved"] > 1e-3 else "corrected"}


def _weights_into(trained: RunFolder, settings: GnnSettings, graph: Any) -> tuple[dict[str, dict[str, float]], float]:
    """Per neighbour of NODE its attention in the first layer and a convolution's weight; how far any sum is from 1."""
    model = load_run(trained.path, "gnn").model
    layers = attention_weights(model, graph)
    gaps = [
        torch.zeros(graph.num_nodes, alpha.size(1)).index_add(0, edges[1], alpha).sub(1).abs().max().item()
        for edges, alpha in layers
    ]
    edges, alpha = layers[0]
    names: list[str] = graph.node_names
    node = names.index(NODE)
    smoothed = normalized_adjacency(graph.edge_index, num_nodes=graph.num_nodes)
    rows = {
        names[source]: {"attention": weight, "convolution": smoothed[node, source].item()}
        for source, target, weight in zip(*edges.tolist(), alpha.mean(1).tolist(), strict=True)
        if target == node
    }
    return dict(sorted(rows.items())), max(gaps)


def _against_formula(edge_index: Tensor) -> dict[str, float]:
    """GATConv minus its formula in float64, and by how much attention moves when a neighbour's features change."""
    generator = torch.Generator().manual_seed(0)
    conv = GATConv(4, 3, heads=2).double()
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64).requires_grad_()
    adjacency = torch.eye(6, dtype=torch.float64)
    adjacency[edge_index[1], edge_index[0]] = 1
    out = conv(x, edge_index)
    formula = dense_gat(x, adjacency, conv.lin.weight, conv.att_src, conv.att_dst, conv.bias)
    ahead = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    leaves = [x, *conv.parameters()]
    pairs = list(zip(torch.autograd.grad(out, leaves, ahead), torch.autograd.grad(formula, leaves, ahead), strict=True))
    other = x.detach().clone()
    other[1] += 1
    with torch.no_grad():
        before, after = (conv(given, edge_index, return_attention_weights=True)[1][1] for given in (x, other))
    return {
        "difference": max((a - b).abs().max().item() for a, b in [(out, formula), *pairs]),
        "moved": (after - before).abs().max().item(),
    }
